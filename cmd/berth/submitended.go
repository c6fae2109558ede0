package main

import (
	"fmt"
	"strings"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

const endedNamed = 3

// endedBefore tells of requests that were submitted before and have ended since: to submit them again is
// harmless, and no error, but who expects something to run has to hear that nothing does.
func endedBefore(results []*berthv1.SubmitResult) string {
	var ended []string
	for _, r := range results {
		if s := r.GetStatus(); r.GetExisting() && berth.State(s.GetState()).Final() {
			ended = append(ended, r.GetId()+" "+stateOf(s)+inBrackets(clip(describe(s), 80)))
		}
	}
	if len(ended) == 0 {
		return ""
	}
	named := strings.Join(ended[:min(len(ended), endedNamed)], ", ")
	if more := len(ended) - endedNamed; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	return "submitted before, and ended already: " + named + "; nothing runs again, for that takes another id"
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}
