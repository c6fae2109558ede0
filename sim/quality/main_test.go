package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRun: the table has a line for each trace, and the means.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{"openb_node_list_gpu_node.csv": "sn,cpu_milli,memory_mib,gpu,model\na,9000,9000,2,x\n"}
	for _, tr := range traces {
		files[fmt.Sprintf("openb_pod_list_%s.csv", tr.name)] = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,10,10,1,500\n"
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-openb", dir, "-seeds", "2"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"gpushare40  100.00 / 100.00", "mean", "berth / FGD published"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if err := run(t.Context(), []string{"-openb", filepath.Join(dir, "none")}, &out); err == nil {
		t.Error("no error without the trace")
	}
}
