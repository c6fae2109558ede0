package etcdstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"

	"github.com/berthd/berth"
)

// DialOptions of an etcd cluster that others run. Secrets come from files only:
// argv and the environment are read by others.
type DialOptions struct {
	Endpoints    []string // http:// or https:// host:port; at least one
	CA           string   // file; default: the system's authorities
	Cert, Key    string   // files; both or none
	Username     string
	PasswordFile string
	Log          *zap.Logger // default: none
}

// Bounds of a connection.
const (
	dialTimeout = 5 * time.Second
	// A dead connection is found within their sum, well within the shortest lease.
	pingAfter, pingWait = 2 * time.Second, 2 * time.Second
	// A store that comes back is found within reconnectMost: a new leader gives
	// each lease its TTL again, which must not end before its holder is heard. (gRPC's
	// own bound is two minutes: after an absence of ten, all workers were lost.)
	reconnectFirst, reconnectMost = 50 * time.Millisecond, 500 * time.Millisecond
	// maxSendBytes is etcd's own default bound of a request.
	maxSendBytes, maxReceiveBytes = 2 << 20, 64 << 20
	maxPasswordBytes              = 4 << 10
)

// Dial returns a client of the cluster. It connects when it is first used:
// Store.Init tells whether the cluster answers.
func Dial(opts DialOptions) (*clientv3.Client, error) {
	secure, err := checkEndpoints(opts.Endpoints)
	if err != nil {
		return nil, err
	}
	config, err := opts.tls(secure)
	if err != nil {
		return nil, err
	}
	password, err := opts.password()
	if err != nil {
		return nil, err
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: opts.Endpoints, TLS: config, Username: opts.Username, Password: password,
		DialTimeout: dialTimeout, MaxCallSendMsgSize: maxSendBytes, MaxCallRecvMsgSize: maxReceiveBytes,
		Logger: opts.Log.Named("etcd"),
		DialOptions: []grpc.DialOption{
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingWait, PermitWithoutStream: false}),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: reconnectFirst, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectMost},
				MinConnectTimeout: dialTimeout,
			}),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("connect to etcd at %s: %w", strings.Join(opts.Endpoints, ","), err)
	}
	return client, nil
}

func checkEndpoints(endpoints []string) (secure bool, err error) {
	if len(endpoints) == 0 {
		return false, &berth.FieldError{Field: "etcd-endpoints", Problem: "is empty", Bound: "http://HOST:PORT or https://HOST:PORT, comma-separated"}
	}
	plain := false
	for _, e := range endpoints {
		u, err := url.Parse(e)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Port() == "" || u.Path != "" || u.User != nil {
			return false, &berth.FieldError{Field: "etcd-endpoints", Value: e, Problem: "is no endpoint", Bound: "http://HOST:PORT or https://HOST:PORT"}
		}
		secure = secure || u.Scheme == "https"
		plain = plain || u.Scheme == "http"
	}
	if secure && plain {
		return false, &berth.FieldError{Field: "etcd-endpoints", Value: strings.Join(endpoints, ","), Problem: "mixes http and https", Bound: "one of them"}
	}
	return secure, nil
}

func (o *DialOptions) tls(secure bool) (*tls.Config, error) {
	if !secure {
		if o.CA != "" || o.Cert != "" || o.Key != "" {
			return nil, &berth.FieldError{Field: "etcd-endpoints", Value: strings.Join(o.Endpoints, ","), Problem: "has certificates but no TLS", Bound: "https:// with etcd-ca, etcd-cert, etcd-key"}
		}
		return nil, nil
	}
	if (o.Cert == "") != (o.Key == "") {
		return nil, &berth.FieldError{Field: "etcd-cert", Value: o.Cert, Problem: "stands without its other half", Bound: "etcd-cert and etcd-key, or neither"}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.Cert != "" {
		if _, err := tls.LoadX509KeyPair(o.Cert, o.Key); err != nil {
			return nil, fmt.Errorf("read etcd-cert and etcd-key: %w", err)
		}
		// Read anew for each connection: a renewed one needs no restart.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(o.Cert, o.Key)
			return &cert, err
		}
	}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("read etcd-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &berth.FieldError{Field: "etcd-ca", Value: o.CA, Problem: "holds no certificate", Bound: "a file of PEM certificates"}
		}
	}
	return config, nil
}

func (o *DialOptions) password() (string, error) {
	if o.PasswordFile == "" {
		if o.Username != "" {
			return "", &berth.FieldError{Field: "etcd-username", Value: o.Username, Problem: "has no password", Bound: "etcd-password-file"}
		}
		return "", nil
	}
	if o.Username == "" {
		return "", errors.New("etcd-password-file is given without etcd-username")
	}
	info, err := os.Stat(o.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("read etcd-password-file: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", &berth.FieldError{Field: "etcd-password-file", Value: o.PasswordFile, Problem: "is open to everybody", Bound: "chmod 0600"}
	}
	if info.Size() > maxPasswordBytes {
		return "", &berth.FieldError{Field: "etcd-password-file", Value: o.PasswordFile, Problem: "is too large", Bound: fmt.Sprintf("at most %d bytes", maxPasswordBytes)}
	}
	text, err := os.ReadFile(o.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("read etcd-password-file: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
