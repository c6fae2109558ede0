package etcdstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// Layout is the newest layout of the keyspace that this program knows.
const Layout = 1

// Options of a store; zero fields mean the defaults given.
type Options struct {
	Prefix      string               // default "/berth/"; begins and ends with a slash
	TxnTimeout  time.Duration        // of one try; default 5 s
	PageSize    int64                // keys per page when loading; default 500
	MaxTxnOps   int                  // default: probed by Init
	MaxTxnBytes int                  // of one as it is sent; default: what etcd takes by its own default, 1.5 MiB, less some
	Layout      int64                // the newest that is known; default Layout. For tests of upgrades
	Clock       func() time.Duration // boot time, which counts while suspended; default CLOCK_BOOTTIME
	TxnBase     string               // of transaction ids, unlike any other store's; default random
	Log         *zap.Logger
	Registerer  prometheus.Registerer
}

// Limits of one transaction.
type Limits struct {
	Ops   int // of compares, and of operations
	Bytes int // as it is sent
}

// Store is a keyspace on etcd. It is safe for concurrent use after Init.
type Store struct {
	client *clientv3.Client
	sender Sender // of the client
	opts   Options
	keys   keys
	base   string // of transaction ids
	counts [purposes]atomic.Uint64
	own    ownTxns

	noStream atomic.Bool   // etcd has no stream of ranges
	follows  atomic.Uint64 // how often a watch's stream was opened

	mu      sync.Mutex // guards the fields below it, up to the next blank line
	schema  berth.Revision
	layout  int64  // in the schema
	cluster uint64 // that answered Init; 0: not yet
	limits  Limits

	seconds   prometheus.Histogram
	conflicts prometheus.Counter
	resends   prometheus.Counter
}

// New validates options. It starts nothing and asks nothing; Init does.
func New(client *clientv3.Client, opts Options) (*Store, error) {
	if opts.Prefix == "" {
		opts.Prefix = "/berth/"
	}
	if !strings.HasPrefix(opts.Prefix, "/") || !strings.HasSuffix(opts.Prefix, "/") || len(opts.Prefix) > berth.MaxIDLength {
		return nil, &berth.FieldError{Field: "prefix", Value: opts.Prefix, Problem: "is no folder", Bound: "begins and ends with /"}
	}
	if opts.TxnTimeout == 0 {
		opts.TxnTimeout = 5 * time.Second
	}
	if opts.PageSize == 0 {
		opts.PageSize = 500
	}
	if opts.MaxTxnBytes == 0 {
		opts.MaxTxnBytes = 3<<19 - 32<<10
	}
	if opts.Layout == 0 {
		opts.Layout = Layout
	}
	if opts.Layout < 1 {
		return nil, &berth.FieldError{Field: "layout", Value: strconv.FormatInt(opts.Layout, 10), Problem: "is too small", Bound: "at least 1"}
	}
	if opts.Clock == nil {
		opts.Clock = boottime
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	if opts.TxnBase == "" {
		opts.TxnBase = strings.ToLower(rand.Text()[:13])
	}
	f := promauto.With(opts.Registerer)
	return &Store{
		client: client, sender: SenderOf(client), opts: opts, keys: keys{opts.Prefix}, base: opts.TxnBase, own: newOwnTxns(),
		limits:    Limits{Ops: opts.MaxTxnOps, Bytes: opts.MaxTxnBytes},
		seconds:   f.NewHistogram(prometheus.HistogramOpts{Name: "berth_commit_seconds", Help: "Time of one transaction until its answer.", Buckets: prometheus.ExponentialBuckets(0.0002, 2, 16)}),
		conflicts: f.NewCounter(prometheus.CounterOpts{Name: "berth_conflicts_total", Help: "Transactions whose compares failed."}),
		resends:   f.NewCounter(prometheus.CounterOpts{Name: "berth_txn_resends_total", Help: "Transactions sent again because their outcome was unknown."}),
	}, nil
}

// purpose is what a transaction is for. Each has a counter of its own: what runs
// side by side in one program then gets the same ids, in whatever order it runs.
type purpose int

const (
	forPlan purpose = iota
	forStart
	forReport
	forPresence // of a worker or a daemon, and settings
	forIntent
	forPurge
	forSchema
	forGroup // its submission
	forHold
	forQuota
	purposes
)

// purposeLetters stand in an id, for a person to see what wrote a value.
const purposeLetters = "psrmigluhq"

// NewTxnID is an id, for a plan, that no other transaction has.
func (s *Store) NewTxnID() berth.TxnID { return s.newTxnID(forPlan) }

func (s *Store) newTxnID(p purpose) berth.TxnID {
	return berth.TxnID(s.base + "-" + purposeLetters[p:p+1] + strconv.FormatUint(s.counts[p].Add(1), 36))
}

// Limits are those of one transaction, as configured or probed.
func (s *Store) Limits() Limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limits
}

// Init creates the schema key in an empty keyspace, refuses a newer layout, and
// finds the limit of operations. Afterwards, answers of another cluster are
// ErrClusterChanged, until Init is called again.
func (s *Store) Init(ctx context.Context) error {
	for {
		done, err := s.readSchema(ctx)
		if err != nil {
			return err
		}
		if done {
			return s.probe(ctx)
		}
		if err := s.createSchema(ctx); err != nil {
			return err
		}
	}
}

// Of the probe: sizes of transactions tried, largest first. A store that is busy
// takes its time for thousands of reads.
var probeOps = []int{8192, 2048, 512, 128}

const probeTimeout = 30 * time.Second

// probe finds how many operations a transaction may have, with reads alone, in a
// branch that is not taken: etcd counts them, and does nothing. Done, thousands of reads
// are slow enough that etcd logs them, each.
func (s *Store) probe(ctx context.Context) error {
	if s.Limits().Ops > 0 {
		return nil
	}
	for _, n := range probeOps {
		reads := make([]clientv3.Op, n)
		for i := range reads {
			reads[i] = clientv3.OpGet(s.keys.prefix, clientv3.WithKeysOnly(), clientv3.WithLimit(1))
		}
		tryCtx, cancel := context.WithTimeout(ctx, max(s.opts.TxnTimeout, probeTimeout))
		_, err := s.client.Txn(tryCtx).Else(reads...).Commit()
		cancel()
		if err == nil {
			s.mu.Lock()
			s.limits.Ops = n
			s.mu.Unlock()
			return nil
		}
		if refused, _, refusal := refusedBefore(err); !refused || !errors.Is(refusal, ErrTooLarge) {
			return fmt.Errorf("probe the store's transaction limit: %w", err)
		}
	}
	return errors.New("the store's transaction limit is below 128 operations; set etcd's --max-txn-ops to at least 128")
}
