package sqlservertest

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Line is a network line to the server, which can be made bad.
type Line struct {
	proxy *toxiproxy.Proxy
}

// NewLine lays a line and returns the DSN that goes over it.
func NewLine(t testing.TB, dsn string) (*Line, string) {
	t.Helper()
	return NewLineAt(t, dsn, "127.0.0.1")
}

// NewLineAt is NewLine with its end at another address of the loopback network.
func NewLineAt(t testing.TB, dsn, host string) (*Line, string) {
	t.Helper()
	var l Line
	over := With(t, dsn, func(u *url.URL) {
		server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
		l.proxy = toxiproxy.NewProxy(server, "sql", net.JoinHostPort(host, "0"), u.Host)
		if err := l.proxy.Start(); err != nil {
			t.Fatal(err)
		}
		u.Host = l.proxy.Listen
	})
	t.Cleanup(l.proxy.Stop)
	return &l, over
}

// Cut cuts the line: all that is under way ends, and nobody gets through.
func (l *Line) Cut() { l.proxy.Stop() }

// Mend makes the line whole again.
func (l *Line) Mend(t testing.TB) {
	t.Helper()
	if err := l.proxy.Start(); err != nil {
		t.Fatal(err)
	}
}

// Toxic is what a line does to what goes over it; see toxiproxy.
type Toxic struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`   // latency, timeout, bandwidth, …
	Stream     string         `json:"stream"` // upstream or downstream
	Attributes map[string]any `json:"attributes"`
}

// Poison makes the line do it, Cure no longer.
func (l *Line) Poison(t testing.TB, x Toxic) {
	t.Helper()
	b, err := json.Marshal(x)
	if err == nil {
		_, err = l.proxy.Toxics.AddToxicJson(strings.NewReader(string(b)))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Cure ends what Poison began.
func (l *Line) Cure(t testing.TB, name string) {
	t.Helper()
	if err := l.proxy.Toxics.RemoveToxic(context.Background(), name); err != nil {
		t.Fatal(err)
	}
}

// Nowhere is an address that nobody listens at.
func Nowhere(t testing.TB) string {
	t.Helper()
	var c net.ListenConfig
	l, err := c.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
