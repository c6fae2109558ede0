package robustness

import (
	"slices"

	"github.com/berthd/berth"
)

// images says whether a worker's runtime takes images. The last one's does not.
func (p *Plan) images(worker string) bool {
	return slices.Index(p.Workers, worker) < len(p.Workers)-1
}

// drawImages gives some requests an image, by their numbers: what else a seed chooses is as
// without. Of those that ask for what not all workers have, none: it may be on the last alone.
func drawImages(p *Plan) {
	for i := range p.Jobs {
		r := &p.Jobs[i].Request
		if r.Env[envStart] == "refused" || len(r.Resources.Devices) > 0 {
			continue
		}
		r.Image = []string{"", "train:3", "", "", "serve:1", "", ""}[i%7]
	}
}

// imageRefused judges a start with an image where none is taken: nobody may have placed it.
func (r simRuntime) imageRefused(id berth.RequestID, image string) bool {
	if image == "" || r.TakesImages() {
		return false
	}
	r.p.w.check.fail("machine", "a request with an image starts on a worker that takes none", string(id), r.p.name)
	return true
}
