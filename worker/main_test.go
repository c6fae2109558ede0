package worker

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/berthd/berth/daemon/embed"
)

// storeVariable makes the test binary a store: "DIR,HOST:PORT".
const storeVariable = "BERTH_TEST_STORE"

func TestMain(m *testing.M) {
	if dir, listen, ok := strings.Cut(os.Getenv(storeVariable), ","); ok {
		serveStore(dir, listen)
		return
	}
	goleak.VerifyTestMain(m)
}

// serveStore says where it listens, and serves until it is killed.
func serveStore(dir, listen string) {
	server, err := embed.Start(context.Background(), embed.Options{Dir: dir, Listen: listen})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(strings.TrimPrefix(server.Endpoint(), "http://"))
	select {}
}
