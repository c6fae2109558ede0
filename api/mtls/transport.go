package mtls

import (
	"net/http"
	"time"
)

// Transport is an HTTP transport: by mutual TLS with files, in the clear
// without (for loopback and unix sockets, see Loopback). It speaks HTTP/2, so
// that many calls and streams share a connection.
func Transport(files Files) (*http.Transport, error) {
	protocols := new(http.Protocols)
	t := &http.Transport{
		Protocols: protocols, IdleConnTimeout: time.Minute,
		TLSHandshakeTimeout: 10 * time.Second,
		// A connection whose other end is gone is found within their sum.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
	if files.IsZero() {
		protocols.SetUnencryptedHTTP2(true)
		return t, nil
	}
	config, err := files.Client()
	if err != nil {
		return nil, err
	}
	protocols.SetHTTP2(true)
	t.TLSClientConfig = config
	return t, nil
}
