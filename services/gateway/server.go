package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"backupmonitor/services/internal/certificate"
)

// mostRequests is how many requests are under way on one connection of HTTP/2: the
// fewest that its standard recommends. Whoever floods has so many compete with what
// others ask for; a proxy with more opens another connection.
const mostRequests = 100

// server has no ReadTimeout and no WriteTimeout, which would cut streams: each
// request bounds its body, and each answer every write.
func (g *Gateway) server(ctx context.Context) (*http.Server, error) {
	s := &http.Server{
		Handler:           g.handler(), //nolint:contextcheck // each request has its own
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withConn,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    64 << 10,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: mostRequests},
		ErrorLog:          slog.NewLogLogger(g.logger.Handler(), slog.LevelDebug),
	}
	if g.cfg.TLSCert == "" && g.cfg.TLSKey == "" {
		return s, nil
	}
	var err error
	if s.TLSConfig, err = certificate.TLS(g.cfg.TLSCert, g.cfg.TLSKey, g.cfg.Now, g.logger); err != nil {
		return nil, fmt.Errorf("TLS_CERT, TLS_KEY: %w", err)
	}
	s.TLSConfig.GetConfigForClient = paceHTTP2
	return s, nil
}

func serve(s *http.Server, l net.Listener) error {
	if s.TLSConfig != nil {
		return s.ServeTLS(l, "", "")
	}
	return s.Serve(l)
}
