package etcdstore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDial_BadOptions(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open, private := file("open", "secret\n", 0o644), file("private", "secret\n", 0o600)
	for name, tt := range map[string]struct {
		opts DialOptions
		want string
	}{
		"no endpoint":      {DialOptions{}, "etcd-endpoints is empty"},
		"no scheme":        {DialOptions{Endpoints: []string{"127.0.0.1:2379"}}, `etcd-endpoints "127.0.0.1:2379" is no endpoint`},
		"credentials":      {DialOptions{Endpoints: []string{"http://a:b@h:1"}}, "is no endpoint"},
		"mixed":            {DialOptions{Endpoints: []string{"http://h:1", "https://h:2"}}, "mixes http and https"},
		"TLS without TLS":  {DialOptions{Endpoints: []string{"http://h:1"}, CA: private}, "has certificates but no TLS"},
		"half a pair":      {DialOptions{Endpoints: []string{"https://h:1"}, Cert: private}, "without its other half"},
		"no CA in it":      {DialOptions{Endpoints: []string{"https://h:1"}, CA: private}, "holds no certificate"},
		"missing CA":       {DialOptions{Endpoints: []string{"https://h:1"}, CA: "/no/ca"}, "read etcd-ca: open /no/ca"},
		"missing pair":     {DialOptions{Endpoints: []string{"https://h:1"}, Cert: "/no/c", Key: "/no/k"}, "read etcd-cert and etcd-key"},
		"no password":      {DialOptions{Endpoints: []string{"http://h:1"}, Username: "u"}, "has no password"},
		"no user":          {DialOptions{Endpoints: []string{"http://h:1"}, PasswordFile: private}, "without etcd-username"},
		"open password":    {DialOptions{Endpoints: []string{"http://h:1"}, Username: "u", PasswordFile: open}, "is open to everybody"},
		"missing password": {DialOptions{Endpoints: []string{"http://h:1"}, Username: "u", PasswordFile: "/no/p"}, "read etcd-password-file"},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := Dial(tt.opts)
			if err == nil {
				t.Fatalf("connected: %v", client.Close())
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
