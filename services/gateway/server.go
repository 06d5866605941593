package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// certificateEvery is how often the files of the certificate are looked at.
const certificateEvery = time.Minute

// server has no ReadTimeout and no WriteTimeout, which would cut streams: each
// request bounds its body, and each answer every write.
func (g *Gateway) server(ctx context.Context) (*http.Server, error) {
	s := &http.Server{
		Handler:           g.handler(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withConn,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(g.logger.Handler(), slog.LevelDebug),
	}
	if g.cfg.TLSCert == "" && g.cfg.TLSKey == "" {
		return s, nil
	}
	c := &certificate{cert: g.cfg.TLSCert, key: g.cfg.TLSKey, now: g.cfg.Now, logger: g.logger}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("TLS_CERT, TLS_KEY: %w", err)
	}
	s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
	return s, nil
}

func serve(s *http.Server, l net.Listener) error {
	if s.TLSConfig != nil {
		return s.ServeTLS(l, "", "")
	}
	return s.Serve(l)
}

// certificate is read anew when its file changes, so that a renewal needs no
// restart. One that cannot be read leaves the one before in use.
type certificate struct {
	cert, key string
	now       func() time.Time
	logger    *slog.Logger

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed time.Time // of the file that was loaded
	looked  time.Time
}

func (c *certificate) load() error {
	info, err := os.Stat(c.cert)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	c.loaded, c.changed, c.looked = &pair, info.ModTime(), c.now()
	return nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked) >= certificateEvery {
		c.looked = now
		info, err := os.Stat(c.cert)
		if err == nil && !info.ModTime().Equal(c.changed) {
			err = c.load()
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			c.logger.Error("The certificate cannot be read anew; the one before stays in use.", slog.Any("error", err))
		}
	}
	return c.loaded, nil
}
