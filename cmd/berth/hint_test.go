package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
)

// A hint goes to the daemon that was asked, by whatever was said on the command line.
func TestHint(t *testing.T) {
	t.Setenv("BERTH_ADDRESS", "127.0.0.1:7")
	for _, tt := range []struct{ line, want string }{
		{"berth cancel a", "berth get a"},
		{"/opt/berth cancel a", "/opt/berth get a"},
		{"berth cancel --address 127.0.0.1:9 a", "berth get --address 127.0.0.1:9 a"},
		{"berth cancel --address=unix:///run/b --tls-cert c.pem --message m a", "berth get --address unix:///run/b --tls-cert c.pem a"},
	} {
		got, app := "", newApp()
		args := strings.Fields(tt.line)
		app.Metadata = map[string]any{argsKey: args}
		app.Command("cancel").Action = func(c *cli.Context) error { got = hint(c, "get", "a"); return nil }
		if err := app.RunContext(t.Context(), args); err != nil || got != tt.want {
			t.Errorf("%s: %v, %q, want %q", tt.line, err, got, tt.want)
		}
	}
}

// What a Berth to try says first has all that the lines below it need: where its API and its store
// are, unless that is where every verb looks.
func TestWelcome(t *testing.T) {
	for name, tt := range map[string]struct{ api, store, want string }{
		"as usual":     {"127.0.0.1:7070", "http://127.0.0.1:2379", ""},
		"other ports":  {"127.0.0.1:7071", "http://127.0.0.1:2380", "    export BERTH_ADDRESS=127.0.0.1:7071\n    export BERTH_ETCD_ENDPOINTS=http://127.0.0.1:2380\n"},
		"another API":  {"127.0.0.1:7071", "http://127.0.0.1:2379", "    export BERTH_ADDRESS=127.0.0.1:7071\n"},
		"another etcd": {"127.0.0.1:7070", "http://127.0.0.1:2380", "    export BERTH_ETCD_ENDPOINTS=http://127.0.0.1:2380\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			app := newApp()
			app.Writer, app.Metadata = &out, map[string]any{argsKey: []string{"berth", "dev"}}
			l := &local{api: tt.api, store: tt.store, dir: "/tmp/x"}
			app.Command("dev").Action = func(c *cli.Context) error { return l.welcome(c, []berth.Device{{Name: "gpu0", Type: "h100"}}) }
			if err := app.RunContext(t.Context(), []string{"berth", "dev"}); err != nil {
				t.Fatal(err)
			}
			_, said, _ := strings.Cut(out.String(), "In another terminal:\n\n")
			if exports, _, _ := strings.Cut(said, "    berth run"); exports != tt.want {
				t.Errorf("it says first %q, want %q", exports, tt.want)
			}
			for _, want := range []string{"berth fsck  ", "berth worker --pool more --hollow 3  ", "berth run --device h100=1 -- printenv BERTH_DEVICES  ", "etcdctl --endpoints " + tt.store + " get"} {
				if !strings.Contains(said, want) {
					t.Errorf("it lacks %q:\n%s", want, said)
				}
			}
		})
	}
}
