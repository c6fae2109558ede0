package serve_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/daemon/embed"
	"github.com/berthd/berth/daemon/serve"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/process"
	"github.com/berthd/berth/worker/shim/shimtest"
)

// site is a daemon with one worker that runs processes, reached over a socket.
func site(t *testing.T) (*client.Client, string) {
	t.Helper()
	return siteWith(t, mtls.Files{}, mtls.Files{})
}

// siteWith gives the daemon and the worker certificates.
func siteWith(t *testing.T, ofDaemon, ofWorker mtls.Files) (*client.Client, string) {
	t.Helper()
	dir := t.TempDir()
	server, err := embed.Start(t.Context(), embed.Options{Dir: filepath.Join(dir, "etcd"), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	store, err := etcdstore.New(server.Client(), etcdstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := daemon.New(store, daemon.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	run(t, func() { _ = server.Close() }, d.Run)
	<-d.Ready()
	handler, err := serve.New(d, serve.Options{Workers: ofDaemon})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	listener, err := mtls.ListenUnix(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, listener, handler)
	startWorker(t, store, dir, ofWorker)
	c, err := client.New(client.Options{Address: socket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for { // the daemon sees the worker, and opens its ledger
		all, err := c.Workers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == 1 && all[0].GetState() == "ready" {
			return c, socket
		}
	}
}

func TestMain(m *testing.M) { os.Exit(shimtest.Main(m.Run)) }

func startWorker(t *testing.T, store *etcdstore.Store, dir string, files mtls.Files) {
	t.Helper()
	logs, err := worker.NewLogs(filepath.Join(dir, "logs"))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := mtls.Listen(t.Context(), "", files)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, listener, logs.Service())
	rt, err := process.New(process.Options{Worker: "w", StateDir: dir, Logs: logs, NoCgroups: true, Shim: shimtest.Path()})
	if err != nil {
		t.Fatal(err)
	}
	registered := make(chan struct{}, 1)
	w, err := worker.New(worker.Options{
		ID: "w", StateDir: dir, Store: store, Runtime: rt, Address: mtls.Advertised(listener, files), TTL: 4 * time.Second,
		Capacity:     berth.Capacity{Quantities: berth.Quantities{CPUMilli: 4000, MemoryBytes: 4 << 30}},
		OnRegistered: func(berth.Epoch) { registered <- struct{}{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, nil, rt.Run)
	run(t, nil, w.Run)
	<-registered
}

// run runs until the test's end, in the reverse order of the starts.
func run(t *testing.T, after func(), fn func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- fn(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if after != nil {
			after()
		}
	})
}

func serveOn(t *testing.T, l net.Listener, h http.Handler) {
	t.Helper()
	run(t, nil, func(ctx context.Context) error { return mtls.Serve(ctx, l, h, zap.NewNop()) })
}

func submit(t *testing.T, c *client.Client, r *berthv1.Request) *berthv1.SubmitResult {
	t.Helper()
	results, err := c.Submit(t.Context(), []*berthv1.Request{r})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

func logsOf(t *testing.T, c *client.Client, req *berthv1.LogsRequest) string {
	t.Helper()
	var out strings.Builder
	err := c.Logs(t.Context(), req, func(r *berthv1.LogsResponse) error {
		out.WriteString(r.GetStream()[3:] + ":" + string(r.GetData()))
		return nil
	})
	if err != nil {
		t.Fatalf("logs of %s: %v", req.GetId(), err)
	}
	return out.String()
}

// A demand that says neither how many devices nor what part is of one whole one; spelled out, it is the same
// request. What is stored has both.
func TestService_DeviceDefaults(t *testing.T) {
	c, _ := site(t)
	ask := func(d ...*berthv1.DeviceDemand) *berthv1.Request {
		return &berthv1.Request{Id: "r", Command: []string{"true"}, Resources: &berthv1.Demand{Devices: d}}
	}
	two, half := &berthv1.DeviceDemand{Types: []string{"h100"}, Count: 2, Milli: 1000}, &berthv1.DeviceDemand{Count: 1, Milli: 500}
	if first := submit(t, c, ask(&berthv1.DeviceDemand{Types: []string{"h100"}, Count: 2}, &berthv1.DeviceDemand{Milli: 500})); first.GetRefusal() != nil {
		t.Fatalf("%v", first)
	}
	if again := submit(t, c, ask(two, half)); again.GetRefusal() != nil || !again.GetExisting() {
		t.Errorf("spelled out: %v, want that it is there", again)
	}
	other := ask(&berthv1.DeviceDemand{Count: -1})
	other.Id = "other"
	if got := submit(t, c, other).GetRefusal(); got == nil {
		t.Error("-1 devices are taken")
	}
}

func TestService_Life(t *testing.T) {
	c, _ := site(t)
	r := &berthv1.Request{Id: "hello", Command: []string{"sh", "-c", "echo out; sleep 0.2; echo more; exit 3"}, Resources: &berthv1.Demand{CpuMilli: 100}}
	if first := submit(t, c, r); first.GetExisting() || first.GetRefusal() != nil {
		t.Fatalf("%v", first)
	}
	if got := logsOf(t, c, &berthv1.LogsRequest{Id: "hello", Follow: true}); got != "out:out\nout:more\n" {
		t.Errorf("followed %q", got)
	}
	var states []string
	done := errors.New("done")
	err := c.Watch(t.Context(), &berthv1.Filter{Ids: []string{"hello"}}, func(s *berthv1.Status) error {
		states = append(states, s.GetState())
		if s.GetEndedAt() != nil {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) {
		t.Fatalf("%v after %v", err, states)
	}
	s, err := c.Get(t.Context(), "hello")
	if err != nil || s.GetState() != "FAILED" || s.GetExit().GetCode() != 3 || s.GetWorker() != "w" {
		t.Errorf("%v %v", s, err)
	}
	if again := submit(t, c, r); !again.GetExisting() || again.GetStatus().GetState() != "FAILED" {
		t.Errorf("the same again, archived: %v", again)
	}
	other := &berthv1.Request{Id: "hello", Command: []string{"true"}}
	if refused := submit(t, c, other).GetRefusal(); refused.GetCode() != client.CodeAlreadyExists {
		t.Errorf("the id with other content: %v", refused)
	}
	if got := logsOf(t, c, &berthv1.LogsRequest{Id: "hello", Tail: 1}); got != "out:more\n" {
		t.Errorf("the last line is %q", got)
	}
	n := 0
	if err := c.List(t.Context(), &berthv1.Filter{Ended: true}, func(*berthv1.Status) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("listed %d, %v", n, err)
	}
}

// A taint outlasts a cordon, keeps new requests off, and of the effect no_run stops
// what does not tolerate it.
func TestService_Taints(t *testing.T) {
	c, _ := site(t)
	taint := func(req *berthv1.SetTaintsRequest) *berthv1.Worker {
		t.Helper()
		req.Worker = "w"
		w, err := c.SetTaints(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	taint(&berthv1.SetTaintsRequest{Add: []*berthv1.Taint{{Key: "rack", Effect: "NoSchedule"}}})
	for _, cordon := range []bool{true, false} {
		w, err := c.SetIntent(t.Context(), &berthv1.SetIntentRequest{Worker: "w", Cordon: cordon})
		if err != nil || len(w.GetOperatorTaints()) != 1 || w.GetOperatorTaints()[0].GetEffect() != "no_place" {
			t.Fatalf("cordon %t: %v %v", cordon, w, err)
		}
	}
	small := &berthv1.Demand{CpuMilli: 100}
	submit(t, c, &berthv1.Request{Id: "waits", Command: []string{"sleep", "1000"}, Resources: small, StopTimeoutMs: 100})
	submit(t, c, &berthv1.Request{
		Id: "tolerates", Command: []string{"sleep", "1000"}, Resources: small, StopTimeoutMs: 100, Tolerations: []*berthv1.Toleration{{Key: "rack", Operator: "Exists"}},
	})
	until(t, c, "tolerates", "RUNNING")
	if e, err := c.Explain(t.Context(), "waits"); err != nil || e.GetVerdict().GetReasons()[0].GetDetail() != "rack:no_place" {
		t.Errorf("%v %v", e, err)
	}
	if w := taint(&berthv1.SetTaintsRequest{Remove: []*berthv1.Taint{{Key: "rack"}}}); len(w.GetOperatorTaints()) > 0 {
		t.Errorf("taken back: %v", w)
	}
	until(t, c, "waits", "RUNNING")
	taint(&berthv1.SetTaintsRequest{Add: []*berthv1.Taint{{Key: "rack", Effect: "no_run"}}})
	until(t, c, "waits", "PENDING")
	until(t, c, "tolerates", "RUNNING")
	if _, err := c.SetTaints(t.Context(), &berthv1.SetTaintsRequest{Worker: "w", Add: []*berthv1.Taint{{Key: "x", Effect: "never"}}}); err == nil || !strings.Contains(err.Error(), "taints[1].effect") {
		t.Errorf("unknown effect: %v", err)
	}
	for _, id := range []string{"waits", "tolerates"} {
		if _, err := c.Cancel(t.Context(), id, ""); err != nil {
			t.Error(err)
		}
		until(t, c, id, "CANCELLED")
	}
}

func TestService_Operator(t *testing.T) {
	c, _ := site(t)
	w, err := c.SetIntent(t.Context(), &berthv1.SetIntentRequest{Worker: "w", Cordon: true, Message: "disk swap"})
	if err != nil || w.GetState() != "cordoned" || w.GetMessage() != "disk swap" {
		t.Fatalf("%v %v", w, err)
	}
	r := &berthv1.Request{Id: "waits", Command: []string{"sleep", "1000"}, Resources: &berthv1.Demand{CpuMilli: 100}, StopTimeoutMs: 100}
	if s := submit(t, c, r).GetStatus(); s.GetState() != "PENDING" {
		t.Errorf("%v", s)
	}
	e, err := c.Explain(t.Context(), "waits")
	if err != nil || e.GetVerdict().GetReasons()[0].GetCode() != "cordoned" {
		t.Errorf("%v %v", e, err)
	}
	if _, err := c.SetIntent(t.Context(), &berthv1.SetIntentRequest{Worker: "w"}); err != nil {
		t.Fatal(err)
	}
	until(t, c, "waits", "RUNNING")
	if _, err := c.Cancel(t.Context(), "waits", "enough"); err != nil {
		t.Fatal(err)
	}
	until(t, c, "waits", "CANCELLED")
	if err := c.SetPool(t.Context(), &berthv1.Pool{Id: "batch", Strategy: "binpack"}); err != nil {
		t.Fatal(err)
	}
	pools, err := c.Pools(t.Context())
	if err != nil || len(pools) != 2 || pools[0].GetStrategy() != "binpack" {
		t.Errorf("%v %v", pools, err)
	}
	if err := c.SetPool(t.Context(), &berthv1.Pool{Id: "batch", BrakePercent: 60, Weights: &berthv1.Weights{Scorers: map[string]int64{"load": 2}}}); err != nil {
		t.Fatal(err)
	}
	if err := c.SetPool(t.Context(), &berthv1.Pool{Id: "batch", Shadow: &berthv1.Shadow{Weights: &berthv1.Weights{Scorers: map[string]int64{"cold": 3}}}}); err != nil {
		t.Fatal(err)
	}
	pools, err = c.Pools(t.Context())
	if err != nil || pools[0].GetShadow().GetWeights().GetScorers()["cold"] != 3 || pools[0].GetShadowCounts() == nil || pools[1].GetShadowCounts() != nil {
		t.Errorf("%v %v, want a shadow of batch, and its counts", pools, err)
	}
	o, err := c.Overview(t.Context())
	if err != nil || len(o.GetPools()) != 2 || len(o.GetDaemons()) != 1 || o.GetPools()[1].GetWorkers()["ready"] != 1 {
		t.Errorf("%v %v", o, err)
	}
	if p := o.GetPools()[0].GetPool(); p.GetStrategy() != "binpack" || p.GetBrakePercent() != 60 || p.GetBrakeWorkers() != 3 || p.GetWeights().GetScorers()["load"] != 2 {
		t.Errorf("%v, want what was set, and the defaults", p)
	}
	in, err := c.Info(t.Context())
	if err != nil || in.GetWorkers() != 1 || in.GetArchived() != 1 || in.GetVersion() != "test" {
		t.Errorf("%v %v", in, err)
	}
}

func until(t *testing.T, c *client.Client, id, state string) {
	t.Helper()
	reached := errors.New("reached")
	err := c.Watch(t.Context(), &berthv1.Filter{Ids: []string{id}}, func(s *berthv1.Status) error {
		if s.GetState() == state {
			return reached
		}
		return nil
	})
	if !errors.Is(err, reached) {
		t.Fatalf("%s did not become %s: %v", id, state, err)
	}
}

func TestService_BadInput(t *testing.T) {
	c, _ := site(t)
	field := func(err error) string {
		if fe, ok := errors.AsType[*berth.FieldError](err); ok {
			return fe.Field
		}
		return ""
	}
	code := func(err error) string {
		if ce, ok := errors.AsType[*client.CallError](err); ok {
			return ce.Code
		}
		return ""
	}
	ctx := t.Context()
	_, err := c.Get(ctx, "UPPER")
	if field(err) != "id" {
		t.Errorf("get: %v", err)
	}
	if _, err = c.Get(ctx, "missing"); code(err) != client.CodeNotFound {
		t.Errorf("get: %v", err)
	}
	if _, err = c.Cancel(ctx, "missing", ""); code(err) != client.CodeNotFound {
		t.Errorf("cancel: %v", err)
	}
	if _, err = c.SetIntent(ctx, &berthv1.SetIntentRequest{Worker: "missing", Cordon: true}); code(err) != client.CodeNotFound {
		t.Errorf("cordon: %v", err)
	}
	if err = c.SetPool(ctx, &berthv1.Pool{Id: "p", Strategy: "best"}); field(err) != "strategy" {
		t.Errorf("pool: %v", err)
	}
	if err = c.SetPool(ctx, &berthv1.Pool{Id: "p", Weights: &berthv1.Weights{Scorers: map[string]int64{"load": 1001}}}); field(err) != "weights.load" {
		t.Errorf("pool: %v", err)
	}
	if err = c.SetPool(ctx, &berthv1.Pool{Id: "p", Shadow: &berthv1.Shadow{Strategy: "best"}}); field(err) != "shadow.strategy" {
		t.Error(err)
	}
	if err = c.SetPool(ctx, &berthv1.Pool{Id: "p", BrakeWindowMs: 1}); field(err) != "brake_window_ms" {
		t.Errorf("pool: %v", err)
	}
	if _, err = c.SetBrake(ctx, &berthv1.SetBrakeRequest{Pool: "p", Action: "pull"}); field(err) != "action" {
		t.Errorf("brake: %v", err)
	}
	if _, err = c.SetBrake(ctx, &berthv1.SetBrakeRequest{Pool: "p", Action: "hold"}); code(err) != client.CodeNotFound {
		t.Errorf("brake: %v", err)
	}
	if err = c.List(ctx, &berthv1.Filter{States: []string{"DOING"}}, nil); field(err) != "filter.states" {
		t.Errorf("list: %v", err)
	}
	for want, f := range map[string]*berthv1.Filter{
		"filter.pool": {Pool: "A B"}, "filter.worker": {Worker: "A B"}, "filter.group": {Group: "A B"}, "filter.tenant": {Tenant: "A B"}, "filter.labels.a": {Labels: map[string]string{"a": "\x00"}},
	} {
		bad, _ := errors.AsType[*berth.FieldError](c.List(ctx, f, nil))
		if bad == nil || bad.Field != want || bad.Bound == "" {
			t.Errorf("list: %v, want field %s", bad, want)
		}
		if err := c.Watch(ctx, f, func(*berthv1.Status) error { return context.Canceled }); field(err) != want {
			t.Errorf("watch: %v, want field %s", err, want)
		}
	}
	if _, err = c.Group(ctx, "A B"); field(err) != "id" {
		t.Errorf("group: %v", err)
	}
	if _, err = c.CancelGroup(ctx, "A B", ""); field(err) != "id" {
		t.Errorf("cancel a group: %v", err)
	}
	for want, change := range map[string]*berthv1.SetQuotaRequest{
		`set "cpu_milli" stands beside unset; allowed: one of the two for a dimension`:                             {Set: map[string]int64{"cpu_milli": 1}, Unset: []string{"cpu_milli"}},
		`guarantee "cpu_milli" stands beside unguarantee; allowed: one of the two for a dimension`:                 {Set: map[string]int64{"cpu_milli": 1}, Guarantee: map[string]int64{"cpu_milli": 1}, Unguarantee: []string{"cpu_milli"}},
		`reclaim_after_ms "0" stands beside never_reclaim; allowed: one of the two`:                                {Set: map[string]int64{"cpu_milli": 1}, ReclaimAfterMs: new(int64), NeverReclaim: true},
		`unset "x" is no dimension; allowed: cpu_milli, memory_bytes, disk_bytes, custom.NAME, devices.TYPE`:       {Weight: 2, Unset: []string{"x"}},
		`unguarantee "x" is no dimension; allowed: cpu_milli, memory_bytes, disk_bytes, custom.NAME, devices.TYPE`: {Weight: 2, Unguarantee: []string{"x"}},
	} {
		change.Tenant = "t"
		if _, err := c.SetQuota(ctx, change); err == nil || !strings.Contains(err.Error(), want) || field(err) == "" {
			t.Errorf("set a quota: %v, want %s", err, want)
		}
	}
	if err = c.Logs(ctx, &berthv1.LogsRequest{Id: "x", Stream: "stdin"}, nil); field(err) != "stream" {
		t.Errorf("logs: %v", err)
	}
	if err = c.Logs(ctx, &berthv1.LogsRequest{Id: "missing"}, nil); code(err) != client.CodeNotFound {
		t.Errorf("logs: %v", err)
	}
	many := make([]*berthv1.Request, 1001)
	for i := range many {
		many[i] = &berthv1.Request{}
	}
	if _, err = c.Submit(ctx, many); field(err) != "requests" {
		t.Errorf("1,001 requests: %v", err)
	}
	if results, err := c.Submit(ctx, many[:1000]); err != nil || len(results) != 1000 {
		t.Errorf("1,000 requests: %v, %d results", err, len(results))
	}
	// A quotation of a bad id is cut between two characters, never within one: the
	// answer of the whole call could not be sent.
	long := "a" + strings.Repeat("é", 70)
	results, err := c.Submit(ctx, []*berthv1.Request{{Id: "good", Command: []string{"true"}}, {Id: long, Command: []string{"true"}}})
	if err != nil || results[0].GetRefusal() != nil || results[1].GetRefusal().GetField().GetField() != "id" {
		t.Errorf("a good request and one with a long id: %v, %v", results, err)
	}
	if _, err = c.Get(ctx, long); field(err) != "id" {
		t.Errorf("get of a long id: %v", err)
	}
	refusal := submit(t, c, &berthv1.Request{Id: "r", Command: []string{"true"}, Resources: &berthv1.Demand{CpuMilli: -1}}).GetRefusal()
	if refusal.GetField().GetField() != "resources.cpu_milli" || refusal.GetCode() != client.CodeInvalidArgument {
		t.Errorf("%v", refusal)
	}
}

// A page of another site must not reach the daemon through a browser.
func TestService_OtherSites(t *testing.T) {
	_, socket := site(t)
	h := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	for name, tt := range map[string]struct {
		host, origin string
		want         int
	}{
		"a program":     {"127.0.0.1:7070", "", http.StatusOK},
		"another site":  {"127.0.0.1:7070", "https://evil.example", http.StatusForbidden},
		"rebound name":  {"evil.example:7070", "", http.StatusForbidden},
		"localhost":     {"localhost:7070", "", http.StatusOK},
		"loopback IPv6": {"[::1]:7070", "", http.StatusOK},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://berth/berth.v1.BerthService/Info", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = tt.host
		req.Header.Set("Content-Type", "application/json")
		if tt.origin != "" {
			req.Header.Set("Origin", tt.origin)
		}
		resp, err := h.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", name, resp.StatusCode, tt.want)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The JSON of the API refuses what it does not know: a limit that is misspelt
// must not be none.
func TestService_StrictJSON(t *testing.T) {
	_, socket := site(t)
	h := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	for body, want := range map[string]int{
		`{"requests":[{"id":"good","command":["true"],"resources":{"cpu_milli":"100"}}]}`: http.StatusOK,
		`{"requests":[{"id":"typo","command":["true"],"resources":{"cpu_mili":100}}]}`:    http.StatusBadRequest,
		`{"requests":[{"id":"x","command":["true"]}]} trailing`:                           http.StatusBadRequest,
		`[]`: http.StatusBadRequest,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://berth/berth.v1.BerthService/Submit", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := h.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", body, resp.StatusCode, want)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestClient_Unreachable(t *testing.T) {
	c, err := client.New(client.Options{Address: "unix:///no/such/socket", RetryFor: -1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Info(t.Context())
	if _, ok := errors.AsType[*client.UnreachableError](err); !ok || !strings.Contains(err.Error(), "/no/such/socket") {
		t.Errorf("%v", err)
	}
	if _, err := client.New(client.Options{Address: "10.0.0.1:7070"}); !errors.Is(err, mtls.ErrNotLoopback) {
		t.Errorf("beyond loopback in the clear: %v", err)
	}
}
