package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// binary is the path that the units name; the build replaces it with PREFIX.
const binary = "/usr/local/bin/berth"

var units = []string{"berth-daemon.service", "berth-worker.service"}

func TestUnits_Verify(t *testing.T) {
	analyze := lookTool(t, "systemd-analyze")
	paths := copyUnits(t)
	// --man=no: the page is installed by `make install`, not here.
	out := output(t, exec.CommandContext(t.Context(), analyze, append([]string{"verify", "--man=no"}, paths...)...))
	// Unknown settings are warnings with exit 0, and lines about other units of
	// the machine may stand among them.
	for line := range strings.Lines(out) {
		if strings.Contains(line, "berth") {
			t.Errorf("systemd-analyze verify: %s", strings.TrimSpace(line))
		}
	}
}

func TestUnits_VerifySeesUnknownSetting(t *testing.T) {
	analyze := lookTool(t, "systemd-analyze")
	path := filepath.Join(t.TempDir(), "berth-broken.service")
	writeFile(t, path, "[Service]\nExecStart="+existingBinary(t)+"\nNoSuchSetting=yes\n")
	out := output(t, exec.CommandContext(t.Context(), analyze, "verify", "--man=no", path))
	if !strings.Contains(out, "NoSuchSetting") {
		t.Fatalf("a setting that does not exist was not named, so TestUnits_Verify proves nothing; output:\n%s", out)
	}
}

// The exposure is systemd's sum, 0 to 100, of what a unit leaves open. The
// daemon's was 14 with systemd 252; newer versions know more settings.
func TestDaemonUnit_Exposure(t *testing.T) {
	analyze := lookTool(t, "systemd-analyze")
	path := copyUnits(t)[0]
	cmd := exec.CommandContext(t.Context(), analyze,
		"security", "--offline=true", "--no-pager", "--threshold=20", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the daemon's unit is more exposed than 2.0: %v\n%s", err, out)
	}
}

func TestUnits_Promises(t *testing.T) {
	tests := []struct {
		unit string
		want []string
	}{
		{"berth-daemon.service", []string{
			"Type=notify", "WatchdogSec=30s", "Restart=always", "User=berth", "ProtectSystem=strict",
			"StateDirectory=berth", "RuntimeDirectory=berth", "NoNewPrivileges=yes", "CapabilityBoundingSet=",
			"EnvironmentFile=-/etc/berth/daemon.env", "ExecStart=" + binary + " daemon",
		}},
		{"berth-worker.service", []string{
			"Type=notify", "WatchdogSec=30s", "Restart=always", "Delegate=yes", "KillMode=process", "OOMPolicy=continue", "ExecReload=/bin/kill -HUP $MAINPID",
			"EnvironmentFile=-/etc/berth/worker.env", "ExecStart=" + binary + " worker",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.unit, func(t *testing.T) {
			lines := strings.Split(readFile(t, tt.unit), "\n")
			for _, want := range tt.want {
				if !slices.Contains(lines, want) {
					t.Errorf("%s lacks the line %q", tt.unit, want)
				}
			}
		})
	}
}

// TestEnvFiles_OnlyComments keeps the examples what they say they are: copied
// as they are, they change nothing.
func TestEnvFiles_OnlyComments(t *testing.T) {
	for _, name := range []string{"daemon.env", "worker.env"} {
		for line := range strings.Lines(readFile(t, name)) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "# ") || line == "#" || strings.HasPrefix(line, "#BERTH_") {
				continue
			}
			t.Errorf("%s: line %q is neither a comment nor a #BERTH_ setting", name, line)
		}
	}
}

// TestEnvFiles_KnownVariables finds settings that no verb reads: each variable
// BERTH_X_Y must stand in cmd/berth, by its name or as the flag x-y.
func TestEnvFiles_KnownVariables(t *testing.T) {
	sources, err := filepath.Glob("../cmd/berth/*.go")
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) == 0 {
		t.Skip("there is no cmd/berth to compare with")
	}
	var code strings.Builder
	for _, path := range sources {
		code.WriteString(readFile(t, path))
	}
	variable := regexp.MustCompile(`BERTH_[A-Z_]+=`)
	for _, name := range append([]string{"daemon.env", "worker.env"}, units...) {
		for _, match := range variable.FindAllString(readFile(t, name), -1) {
			setting := strings.TrimSuffix(match, "=")
			flag := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(setting, "BERTH_"), "_", "-"))
			if !strings.Contains(code.String(), `"`+setting+`"`) && !strings.Contains(code.String(), `"`+flag+`"`) {
				t.Errorf("%s names %s, but cmd/berth has neither it nor a flag --%s", name, setting, flag)
			}
		}
	}
}

func TestSysusers(t *testing.T) {
	tool := lookTool(t, "systemd-sysusers")
	root := t.TempDir()
	makeDir(t, filepath.Join(root, "etc"))
	cmd := exec.CommandContext(t.Context(), tool, "--root="+root, "-")
	cmd.Stdin = strings.NewReader(readFile(t, "berth.sysusers"))
	output(t, cmd)
	passwd := readFile(t, filepath.Join(root, "etc", "passwd"))
	if !strings.HasPrefix(passwd, "berth:") || !strings.Contains(passwd, ":/var/lib/berth:/usr/sbin/nologin") {
		t.Errorf("no user berth without a shell in %q", passwd)
	}
}

func TestTmpfiles(t *testing.T) {
	tool := lookTool(t, "systemd-tmpfiles")
	if os.Geteuid() != 0 {
		t.Skip("not root: systemd-tmpfiles cannot give a directory to a group")
	}
	root := t.TempDir()
	makeDir(t, filepath.Join(root, "etc"))
	writeFile(t, filepath.Join(root, "etc", "passwd"), "root:x:0:0::/root:/bin/sh\nberth:x:998:998::/var/lib/berth:/usr/sbin/nologin\n")
	writeFile(t, filepath.Join(root, "etc", "group"), "root:x:0:\nberth:x:998:\n")
	cmd := exec.CommandContext(t.Context(), tool, "--root="+root, "--create", "-")
	cmd.Stdin = strings.NewReader(readFile(t, "berth.tmpfiles"))
	output(t, cmd)
	info, err := os.Stat(filepath.Join(root, "etc", "berth"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), os.FileMode(0o750); got != want {
		t.Errorf("/etc/berth has mode %o, want %o", got, want)
	}
}

// copyUnits copies the units and lets them start a binary that exists here:
// verify demands one.
func copyUnits(t *testing.T) []string {
	t.Helper()
	dir, stand := t.TempDir(), existingBinary(t)
	paths := make([]string, 0, len(units))
	for _, name := range units {
		path := filepath.Join(dir, name)
		writeFile(t, path, strings.ReplaceAll(readFile(t, name), binary, stand))
		paths = append(paths, path)
	}
	return paths
}

func existingBinary(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func lookTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (apt-get install systemd)", name)
	}
	return path
}

func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(cmd.Path), err, out)
	}
	return string(out)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func makeDir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}
