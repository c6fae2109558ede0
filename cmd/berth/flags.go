package main

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/berthd/berth"
	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/worker"
)

// envOf is the variable of a flag: data-dir is BERTH_DATA_DIR.
func envOf(name string) []string {
	return []string{"BERTH_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))}
}

// forgetContainer lets no flag of this program be set by what a container is told of
// itself, where it runs in one: list --worker would be its own worker for ever.
func forgetContainer() error {
	if _, in := os.LookupEnv(worker.VariableRequest); !in {
		return nil
	}
	for _, name := range []string{worker.VariableAttempt, worker.VariableWorker, worker.VariableDevices} {
		if err := os.Unsetenv(name); err != nil {
			return fmt.Errorf("forget %s: %w", name, err)
		}
	}
	return nil
}

// setBy names a flag by what has set it.
func setBy(c *cli.Context, flag string) string {
	if fromEnvironment(flag) && !given(c, flag) {
		return "the variable " + envOf(flag)[0]
	}
	return "--" + flag
}

func stringFlag(name, value, usage string) *cli.StringFlag {
	return &cli.StringFlag{Name: name, Value: value, Usage: usage, EnvVars: envOf(name)}
}

func boolFlag(name, usage string) *cli.BoolFlag {
	return &cli.BoolFlag{Name: name, Usage: usage, EnvVars: envOf(name)}
}

func durationFlag(name string, value time.Duration, usage string) *cli.DurationFlag {
	usage, def := defaultOf(usage, value == 0)
	return &cli.DurationFlag{Name: name, Value: value, Usage: usage, DefaultText: def, EnvVars: envOf(name)}
}

func intFlag(name string, value int, usage string) *cli.IntFlag {
	usage, def := defaultOf(usage, value == 0)
	return &cli.IntFlag{Name: name, Value: value, Usage: usage, DefaultText: def, EnvVars: envOf(name)}
}

// defaultOf takes the default that a usage tells in words out of it; a zero that
// it does not tell means none.
func defaultOf(usage string, zero bool) (_, text string) {
	if before, after, ok := strings.Cut(usage, " (default: "); ok {
		return before, strings.TrimSuffix(after, ")")
	}
	if zero {
		return usage, "none"
	}
	return usage, ""
}

func listFlag(name, usage string) *cli.StringSliceFlag {
	return &cli.StringSliceFlag{Name: name, Usage: usage, EnvVars: envOf(name)}
}

// ownListFlag, as those below, is one that means something else in each verb that has it, or is of one call
// alone: a variable would be read by all of them.
func ownListFlag(name, usage string) *cli.StringSliceFlag {
	return &cli.StringSliceFlag{Name: name, Usage: usage}
}

func ownStringFlag(name, value, usage string) *cli.StringFlag {
	return &cli.StringFlag{Name: name, Value: value, Usage: usage}
}

func ownIntFlag(name string, value int, usage string) *cli.IntFlag {
	f := intFlag(name, value, usage)
	f.EnvVars = nil
	return f
}

func tlsFlags() []cli.Flag {
	return []cli.Flag{
		stringFlag("tls-cert", "", "`FILE` of a certificate for mutual TLS"),
		stringFlag("tls-key", "", "`FILE` of its key"),
		stringFlag("tls-ca", "", "`FILE` of the authority that certifies the other side"),
	}
}

func tlsFiles(c *cli.Context) mtls.Files {
	return mtls.Files{Cert: c.String("tls-cert"), Key: c.String("tls-key"), CA: c.String("tls-ca")}
}

// clientFlags say where the daemon is.
func clientFlags(more ...cli.Flag) []cli.Flag {
	flags := append([]cli.Flag{
		stringFlag("address", "", "where the daemon is: `HOST:PORT` or unix:///PATH, or several with commas (default: "+client.DefaultSocket+" if it is there, else "+client.DefaultAddress+")"),
	}, tlsFlags()...)
	return append(more, flags...)
}

func newClient(c *cli.Context) (*client.Client, error) {
	opts := client.Options{Address: c.String("address"), TLS: tlsFiles(c)}
	if isTerminal(c.App.ErrWriter) {
		opts.Waiting = func(err error, until time.Time) {
			fmt.Fprint(asIs(c.App.ErrWriter), "\r\x1b[K") // progress may be there
			fmt.Fprintf(c.App.ErrWriter, "berth: %v; trying on for %s\n", err, time.Until(until).Round(time.Second))
		}
	}
	cl, err := client.New(opts)
	if err == nil {
		diagnoseDaemons(c, cl.Address(), tlsFiles(c))
	}
	return cl, err
}

const (
	defaultEndpoint = "http://127.0.0.1:2379"
	defaultPrefix   = "/berth/"
)

// etcdFlags say where the store is. Without endpoints, which it is stands in other.
func etcdFlags(endpoints string) []cli.Flag {
	return []cli.Flag{
		stringFlag("etcd-endpoints", "", "comma-separated `URLS` of etcd (default: "+endpoints+")"),
		stringFlag("etcd-ca", "", "`FILE` of the authority of etcd's certificates"),
		stringFlag("etcd-cert", "", "`FILE` of a client certificate for etcd"),
		stringFlag("etcd-key", "", "`FILE` of its key"),
		stringFlag("etcd-username", "", "`NAME` of an etcd user"),
		stringFlag("etcd-password-file", "", "`FILE` with that user's password, closed to others"),
		stringFlag("prefix", defaultPrefix, "`PREFIX` of all keys"),
	}
}

// dial connects to an etcd that runs elsewhere.
func dial(c *cli.Context, log *zap.Logger) (*clientv3.Client, error) {
	endpoints := defaultEndpoint
	if text := c.String("etcd-endpoints"); text != "" {
		endpoints = text
	}
	return dialTo(c, log, strings.Split(endpoints, ",")...)
}

// dialTo connects to some of its members.
func dialTo(c *cli.Context, log *zap.Logger, endpoints ...string) (*clientv3.Client, error) {
	diagnoseStore(c, endpoints)
	return etcdstore.Dial(etcdstore.DialOptions{
		Endpoints: endpoints, CA: c.String("etcd-ca"), Cert: c.String("etcd-cert"), Key: c.String("etcd-key"),
		Username: c.String("etcd-username"), PasswordFile: c.String("etcd-password-file"),
		Log: errorsOf(log), // of each try again it has a warning
	})
}

func logFlags() []cli.Flag {
	return []cli.Flag{
		stringFlag("log-level", "info", "`LEVEL`: debug, info, warn, error"),
		stringFlag("log-format", "json", "`FORMAT`: json, console"),
	}
}

// newLogger writes to standard error.
func newLogger(c *cli.Context) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(c.String("log-level"))
	if err != nil {
		return nil, &berth.FieldError{Field: "log-level", Value: c.String("log-level"), Problem: "is unknown", Bound: "debug, info, warn, error"}
	}
	var encoder zapcore.Encoder
	switch c.String("log-format") {
	case "json":
		config := zap.NewProductionEncoderConfig()
		config.EncodeTime = zapcore.RFC3339NanoTimeEncoder
		encoder = zapcore.NewJSONEncoder(config)
	case "console":
		encoder = zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig())
	default:
		return nil, &berth.FieldError{Field: "log-format", Value: c.String("log-format"), Problem: "is unknown", Bound: "json, console"}
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(asIs(c.App.ErrWriter))), level)), nil
}

// readMessage refuses a message that the daemon would.
func readMessage(c *cli.Context) error { return berth.CheckMessage("message", c.String("message")) }

// int32Flag is a number that the API holds in 32 bits: it is judged before it is
// made so narrow, or 4294967301 would be 5.
func int32Flag(c *cli.Context, name string, low, high int32) (int32, error) {
	n := c.Int(name)
	if n < int(low) || n > int(high) {
		return 0, &berth.FieldError{Field: name, Value: strconv.Itoa(n), Problem: "is out of range", Bound: fmt.Sprintf("%d to %d", low, high)}
	}
	return int32(n), nil
}

// countFlag is a number that means the default where it is not given, so zero is no way to
// ask for it.
func countFlag(c *cli.Context, name string, low, high int64) (int64, error) {
	n := int64(c.Int(name))
	if c.IsSet(name) && (n < low || n > high) {
		return 0, &berth.FieldError{Field: name, Value: strconv.FormatInt(n, 10), Problem: "is out of range", Bound: fmt.Sprintf("%d to %d", low, high)}
	}
	return n, nil
}

// millisFlag is a duration as the API holds it, within bounds in milliseconds where it is
// given. One that is finer would be cut, to none at last, which means the default.
func millisFlag(c *cli.Context, name string, low, high int64) (int64, error) {
	d := c.Duration(name)
	if ms := d.Milliseconds(); c.IsSet(name) && (d%time.Millisecond != 0 || ms < low || ms > high) {
		first, last := time.Duration(low)*time.Millisecond, time.Duration(high)*time.Millisecond
		return 0, &berth.FieldError{Field: name, Value: d.String(), Problem: "is not allowed", Bound: fmt.Sprintf("%s to %s, whole milliseconds", first, last)}
	}
	return d.Milliseconds(), nil
}

// parseCPU reads cores ("2", "0.5") or thousandths ("500m").
func parseCPU(field, text string) (int64, error) {
	bad := &berth.FieldError{Field: field, Value: text, Problem: "is no number of cores", Bound: fmt.Sprintf("0.5, 2 or 500m; at most %d cores", berth.MaxCPUMilli/1000)}
	if text == "" {
		return 0, nil
	}
	if milli, ok := strings.CutSuffix(text, "m"); ok {
		n, err := strconv.ParseInt(milli, 10, 64)
		switch {
		case err == nil && n < 0:
			bad.Problem = "is negative"
		case err == nil && n > berth.MaxCPUMilli:
			bad.Problem = "is too large"
		case err == nil:
			return n, nil
		}
		return 0, bad
	}
	digits, negative := strings.CutPrefix(text, "-")
	cores, err := parseDecimal(digits)
	switch {
	case err != nil:
		return 0, bad
	case negative:
		bad.Problem = "is negative"
		return 0, bad
	case cores > float64(berth.MaxCPUMilli)/1000:
		bad.Problem = "is too large"
		return 0, bad
	}
	milli := math.Round(cores * 1000)
	if cores > 0 && math.Abs(milli-cores*1000) > 1e-6 {
		return 0, &berth.FieldError{Field: field, Value: text, Problem: "is finer than a thousandth of a core", Bound: "0.001 or more"}
	}
	return int64(milli), nil
}

// parseDecimal reads digits and a point: 1e3, 1_0, 0x10 or inf, which the parser takes, is rather a slip than an amount, and so is 010.
func parseDecimal(text string) (float64, error) {
	if strings.Trim(text, "0123456789.") != "" || len(text) > 1 && text[0] == '0' && text[1] != '.' {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(text, 64)
}

// How flags take amounts of bytes: g alone is as in SI, and not as Docker's.
const (
	bytesForms = "4GiB or 4Gi (4*1024^3), 4GB, 4G or 4g (4*1000^3)"
	bytesUsage = "`BYTES`: " + bytesForms
)

// parseBytes reads 256MiB, 1GB, or bytes.
func parseBytes(field, text string, most int64) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := humanize.ParseBytes(text)
	problem := "is no amount of bytes"
	switch {
	case err == nil && n <= uint64(most):
		return int64(n), nil
	case err == nil:
		problem = "is too large"
	}
	return 0, &berth.FieldError{Field: field, Value: text, Problem: problem, Bound: "256MiB, 1GB or a number; at most " + humanize.IBytes(uint64(most))}
}

// splitCommas is for lists whose values hold no comma.
func splitCommas(texts []string) []string {
	var out []string
	for _, t := range texts {
		out = append(out, strings.Split(t, ",")...)
	}
	return out
}

// parsePairs reads KEY=VALUE each.
func parsePairs(field string, texts []string) (map[string]string, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(texts))
	for _, text := range texts {
		k, v, ok := strings.Cut(text, "=")
		if !ok || k == "" {
			return nil, &berth.FieldError{Field: field, Value: text, Problem: "is no pair", Bound: "KEY=VALUE"}
		}
		if _, twice := out[k]; twice {
			return nil, givenTwice(field, k)
		}
		out[k] = v
	}
	return out, nil
}

// givenTwice refuses what a flag that may be repeated says of one thing twice: one of the two
// would be dropped, and which is not to be guessed.
func givenTwice(field, key string) error {
	return &berth.FieldError{Field: field, Value: key, Problem: "is given twice", Bound: "each once"}
}

// parseCounts reads NAME=NUMBER each, from 0 to most.
func parseCounts(field string, texts []string, most int64) (map[string]int64, error) {
	pairs, err := parsePairs(field, texts)
	if err != nil || pairs == nil {
		return nil, err
	}
	out := make(map[string]int64, len(pairs))
	for _, k := range slices.Sorted(maps.Keys(pairs)) {
		n, err := strconv.ParseInt(pairs[k], 10, 64)
		if err != nil || n < 0 || n > most {
			return nil, &berth.FieldError{Field: field, Value: k + "=" + pairs[k], Problem: "is no number in range", Bound: fmt.Sprintf("NAME=NUMBER, from 0 to %d", most)}
		}
		out[k] = n
	}
	return out, nil
}

// flatten takes flags in groups.
func flatten(groups ...[]cli.Flag) []cli.Flag { return slices.Concat(groups...) }
