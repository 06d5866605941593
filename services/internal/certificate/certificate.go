// Package certificate is what a server shows of itself under TLS: two files in PEM,
// read anew when they change, so that a renewal needs no restart.
package certificate

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// every is how often the files are looked at.
const every = time.Minute

// TLS is the configuration of a server with the certificate and key in these files.
// Later ones that cannot be read leave those before in use, and are told of in the
// log. Errors: those of reading the files.
func TLS(cert, key string, now func() time.Time, logger *slog.Logger) (*tls.Config, error) {
	f := &files{cert: cert, key: key, now: now, logger: logger}
	if err := f.load(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: f.get}, nil
}

type files struct {
	cert, key string
	now       func() time.Time
	logger    *slog.Logger

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed time.Time // of the file that was loaded
	looked  time.Time
}

func (f *files) load() error {
	info, err := os.Stat(f.cert)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("read the certificate and its key: %w", err)
	}
	f.loaded, f.changed, f.looked = &pair, info.ModTime(), f.now()
	return nil
}

func (f *files) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); now.Sub(f.looked) >= every {
		f.looked = now
		info, err := os.Stat(f.cert)
		if err == nil && !info.ModTime().Equal(f.changed) {
			err = f.load()
		}
		if err != nil {
			f.logger.Error("The certificate cannot be read anew; the one before stays in use.", slog.Any("error", err))
		}
	}
	return f.loaded, nil
}
