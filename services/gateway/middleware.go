package gateway

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	headerRequestID = "X-Request-Id"
	// writeTimeout bounds every write of an answer.
	writeTimeout = 30 * time.Second
	// leftoverTimeout bounds reading what a handler left of a body.
	leftoverTimeout = 5 * time.Second

	// policy allows what the app is made of and nothing else: no inline code,
	// no foreign origin, no frame around it.
	policy = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

// response knows what was answered, and bounds each write: a client that does
// not read must not hold a handler for ever.
type response struct {
	http.ResponseWriter
	rc      *http.ResponseController
	id      string
	user    string // who asks, once known
	address string // of the client
	status  int
	bytes   int64
	gone    bool // the client left before there was an answer

	mu    sync.Mutex
	begun bool // that there is a status, for others than the handler
	shut  bool // nothing more is sent
}

var errShut = errors.New("the answer was cut off")

// begin sets the status, and is false where no answer may begin.
func (w *response) begin(status int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shut {
		return false
	}
	w.status, w.begun = status, true
	return true
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK && !w.begin(status) {
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 && !w.begin(http.StatusOK) {
		return 0, errShut
	}
	if err := w.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	// A bound that is left behind ends an HTTP/2 answer when it is over, though the
	// next part is not there yet.
	_ = w.SetWriteDeadline(time.Time{}) // fails only where it is cut off
	return n, err
}

// SetWriteDeadline is what http.ResponseController finds.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shut {
		return errShut
	}
	return w.rc.SetWriteDeadline(t)
}

// cut ends every write, the one under way and whatever the handler begins later.
func (w *response) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shut = true
	if w.begun {
		_ = w.rc.SetWriteDeadline(time.Now()) // fails only where the connection is gone
	}
}

// reopen lets an answer begin after all: that of why the other was cut off before
// it had begun.
func (w *response) reopen() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shut = w.shut && w.begun
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// outermost wraps every request: its id, its log line, what every answer
// carries, and the end of a panic.
func (g *Gateway) outermost(next func(*response, *http.Request)) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !g.inFlight.begin() {
			panic(http.ErrAbortHandler) // to return would be an empty 200
		}
		defer g.inFlight.end()
		began := time.Now()
		w := &response{ResponseWriter: rw, rc: http.NewResponseController(rw), id: requestID(r), address: g.proxies.Address(r)}
		defer func() {
			_ = w.SetWriteDeadline(time.Now().Add(writeTimeout))      // of what is yet to be flushed; fails only where it is cut off
			_ = w.rc.SetReadDeadline(time.Now().Add(leftoverTimeout)) // fails only where the connection is gone
			g.logAccess(w, r, time.Since(began))
		}()
		defer g.recovered(w, r)
		g.commonHeaders(w, r)
		if preflight(r) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next(w, r)
	})
}

func (g *Gateway) recovered(w *response, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	g.logger.ErrorContext(r.Context(), "A request panicked.",
		slog.String("requestId", w.id), slog.String("path", shortened(r.URL.Path)), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	g.fail(w, r, errPanicked)
}

var errPanicked = errors.New("the handler panicked")

// logAccess leaves out query and headers, which may hold what is nobody's
// business.
func (g *Gateway) logAccess(w *response, r *http.Request, took time.Duration) {
	level := slog.LevelInfo
	if !strings.HasPrefix(r.URL.Path, apiPrefix) {
		level = slog.LevelDebug
	}
	g.logger.LogAttrs(r.Context(), level, "request",
		slog.String("requestId", w.id), slog.String("method", r.Method), slog.String("path", shortened(r.URL.Path)),
		slog.Int("status", w.status), slog.Bool("gone", w.gone), slog.Int64("bytes", w.bytes), slog.Duration("took", took),
		slog.String("user", w.user), slog.String("address", w.address))
}

func (g *Gateway) commonHeaders(w *response, r *http.Request) {
	h := w.Header()
	h.Set(headerRequestID, w.id)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if g.proxies.Secure(r) {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if len(g.cfg.CORSOrigins) == 0 || !strings.HasPrefix(r.URL.Path, apiPrefix) {
		return
	}
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.ContainsFunc(g.cfg.CORSOrigins, func(o string) bool { return strings.TrimRight(o, "/") == origin }) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", headerRequestID+", Content-Disposition, Retry-After")
	if preflight(r) {
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID, "+headerRequestID)
		h.Set("Access-Control-Max-Age", "600")
	}
}

func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// requestID is the client's own where it is harmless to write into a log.
func requestID(r *http.Request) string {
	const most = 64
	id := r.Header.Get(headerRequestID)
	harmless := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.", c)
	}
	if id == "" || len(id) > most || strings.ContainsFunc(id, func(c rune) bool { return !harmless(c) }) {
		return rand.Text()
	}
	return id
}

// shortened keeps a line of the log a line.
func shortened(path string) string {
	const most = 200
	if len(path) <= most {
		return path
	}
	return strings.ToValidUTF8(path[:most], "") + "…"
}
