package serve

import (
	"compress/gzip"
	"fmt"
	"io"

	"connectrpc.com/connect"
)

// boundedGzip is gzip as connect has it, but that a message which is too large ends: by
// itself connect unpacks it to its end, to tell how large it is.
func boundedGzip(most int64) connect.HandlerOption {
	return connect.WithCompression("gzip",
		func() connect.Decompressor { return &gunzip{most: most} },
		func() connect.Compressor { return gzip.NewWriter(io.Discard) },
	)
}

// gunzip unpacks so many bytes of a message, and no more.
type gunzip struct {
	gzip.Reader
	most, left int64
}

func (g *gunzip) Reset(r io.Reader) error {
	g.left = g.most
	return g.Reader.Reset(r)
}

func (g *gunzip) Read(p []byte) (int, error) {
	// One byte more may come: only it tells that there are more.
	if int64(len(p)) > g.left+1 {
		p = p[:g.left+1]
	}
	n, err := g.Reader.Read(p)
	if g.left -= int64(n); g.left < 0 {
		g.left = 0
		return 0, connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("the message is larger than %d bytes once unpacked; allowed: at most that", g.most))
	}
	return n, err
}
