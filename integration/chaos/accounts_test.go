package chaos_test

import (
	"fmt"
	"slices"
	"testing"
)

// disagreements compares what was acknowledged with how it ended, and how it
// ended with what ran.
func disagreements(record []accepted, ended map[string]archived, runs []run) []string {
	type attempt struct {
		id string
		n  int64
	}
	ran := map[attempt]run{}
	for _, r := range runs {
		ran[attempt{r.id, r.attempt}] = r
	}
	known := map[string]bool{}
	var out []string
	add := func(id, format string, args ...any) { out = append(out, id+" "+fmt.Sprintf(format, args...)) }
	for _, a := range record {
		known[a.ID] = true
		e, ok := ended[a.ID]
		if !ok {
			add(a.ID, "was acknowledged, and is lost")
			continue
		}
		if why := a.wrong(e); why != "" {
			add(a.ID, "%s: %+v", why, e)
		}
		r, ok := ran[attempt{a.ID, e.Attempt}]
		if exited := e.Exit != nil && e.Exit.Kind == "exited"; exited && (!ok || r.end == 0 || r.worker != e.Worker) {
			add(a.ID, "is said to have exited, attempt %d on %s; its trace: %+v", e.Attempt, e.Worker, r)
		}
	}
	for id := range ended {
		if !known[id] {
			add(id, "ended, and was never acknowledged")
		}
	}
	for at := range ran {
		if e, ok := ended[at.id]; ok && at.n > e.Attempt {
			add(at.id, "ran as attempt %d after its end as attempt %d", at.n, e.Attempt)
		}
	}
	slices.Sort(out)
	return out
}

// wrong says what is not as it should be.
func (a accepted) wrong(e archived) string {
	exited := e.Exit != nil && e.Exit.Kind == "exited"
	switch {
	case a.Cancel && e.State == "CANCELLED":
		return ""
	case exited && e.Exit.Code >= 98:
		return "met another container of its request, or could not run"
	case a.Code == 0 && e.State != "SUCCEEDED":
		return "should have succeeded"
	case a.Code != 0 && (e.State != "FAILED" || !exited || e.Exit.Code != a.Code):
		return fmt.Sprintf("should have failed with exit code %d", a.Code)
	}
	return ""
}

func TestDisagreements(t *testing.T) {
	t.Parallel()
	exit := &struct {
		Kind string `json:"kind"`
		Code int64  `json:"code"`
	}{Kind: "exited"}
	good := archived{State: "SUCCEEDED", Attempt: 2, Worker: "w", Exit: exit}
	ran := run{id: "r", attempt: 2, worker: "w", start: 1, end: 2}
	tests := []struct {
		name   string
		record []accepted
		ended  map[string]archived
		runs   []run
		want   int
	}{
		{"all agree", []accepted{{ID: "r"}}, map[string]archived{"r": good}, []run{ran}, 0},
		{"lost", []accepted{{ID: "r"}}, nil, nil, 1},
		{"never acknowledged", nil, map[string]archived{"r": good}, []run{ran}, 1},
		{"wrong code", []accepted{{ID: "r", Code: 3}}, map[string]archived{"r": good}, []run{ran}, 1},
		{"did not run", []accepted{{ID: "r"}}, map[string]archived{"r": good}, nil, 1},
		{"did not end", []accepted{{ID: "r"}}, map[string]archived{"r": good}, []run{{id: "r", attempt: 2, worker: "w", start: 1}}, 1},
		{"ran after its end", []accepted{{ID: "r"}}, map[string]archived{"r": good}, []run{ran, {id: "r", attempt: 3, worker: "w", start: 3}}, 1},
		{"cancelled", []accepted{{ID: "r", Cancel: true}}, map[string]archived{"r": {State: "CANCELLED"}}, nil, 0},
		{"cancelled by nobody", []accepted{{ID: "r"}}, map[string]archived{"r": {State: "CANCELLED"}}, nil, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := disagreements(tt.record, tt.ended, tt.runs); len(got) != tt.want {
				t.Errorf("%v, want %d", got, tt.want)
			}
		})
	}
}
