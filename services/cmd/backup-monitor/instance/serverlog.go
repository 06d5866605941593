package instance

import (
	"fmt"
	"log/slog"
	"strings"
)

// serverLog hands the server's warnings and errors to our log. Its Fatalf does
// not end the process, which the server's own would.
type serverLog struct {
	log  *slog.Logger
	ends chan error // why it could not start; the first reason
}

func newServerLog(log *slog.Logger) *serverLog {
	return &serverLog{log: log, ends: make(chan error, 1)}
}

// fatal is why the server cannot start, once; nil where it can.
func (l *serverLog) fatal() error {
	select {
	case err := <-l.ends:
		return fmt.Errorf("start the NATS server: %w", err)
	default:
		return nil
	}
}

func (l *serverLog) Noticef(format string, v ...any) { l.write(l.log.Debug, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.write(l.log.Error, format, v) }
func (l *serverLog) Debugf(string, ...any)           {}
func (l *serverLog) Tracef(string, ...any)           {}

// Warnf leaves out the warning that a password is not hashed: ours is random,
// made anew at every start, and kept in a file that only its owner can read.
func (l *serverLog) Warnf(format string, v ...any) {
	if !strings.HasPrefix(format, "Plaintext passwords detected") {
		l.write(l.log.Warn, format, v)
	}
}

func (l *serverLog) Fatalf(format string, v ...any) {
	l.write(l.log.Error, format, v)
	select {
	case l.ends <- fmt.Errorf(format, v...):
	default:
	}
}

func (l *serverLog) write(at func(string, ...any), format string, v []any) {
	at("nats-server", slog.String("text", fmt.Sprintf(format, v...)))
}
