package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/audit"
	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/gateway/live"
	"backupmonitor/services/internal/scan"
	"backupmonitor/services/internal/store"
)

// problem is an error that a client may be told of.
type problem struct {
	status     int
	message    string
	retryAfter time.Duration // sent when positive
	cause      error         // for the log
}

func (p *problem) Error() string {
	if p.cause != nil {
		return fmt.Sprintf("%s: %v", p.message, p.cause)
	}
	return p.message
}

func (p *problem) Unwrap() error { return p.cause }

func badRequest(format string, args ...any) error {
	return &problem{status: http.StatusBadRequest, message: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &problem{status: http.StatusNotFound, message: fmt.Sprintf(format, args...)}
}

// unavailable says that a part the gateway needs does not answer.
func unavailable(part string, cause error) *problem {
	return &problem{
		status: http.StatusServiceUnavailable, message: part + " does not answer at the moment. Try again.",
		retryAfter: 5 * time.Second, cause: cause,
	}
}

// logProblem makes an error of writing to or reading the log one for clients.
func logProblem(err error) error {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrActor):
		return sessionOver(err)
	case errors.Is(err, scan.ErrLogNearlyFull), errors.Is(err, events.ErrFull):
		return &problem{status: http.StatusInsufficientStorage, message: "The event log is full: no new scan can start.", cause: err}
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, audit.ErrOutbox):
		return unavailable("The database", err)
	}
	return unavailable("The event log", err)
}

// problemOf is what a client is told about err: of an unknown error nothing
// but that there was one.
func problemOf(err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, auth.ErrBusy):
		return &problem{status: http.StatusTooManyRequests, message: "Too many sign-ins at once. Try again.", retryAfter: 2 * time.Second, cause: err}
	case errors.Is(err, live.ErrStopped):
		return unavailable("The live feed", err)
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{status: http.StatusServiceUnavailable, message: "The answer took too long. Try again.", retryAfter: 5 * time.Second, cause: err}
	}
	return &problem{status: http.StatusInternalServerError, message: "Something went wrong here. The log of the gateway has the details, under this answer's X-Request-Id.", cause: err}
}

// fail answers with an error, and logs what the client is not told.
func (g *Gateway) fail(w *response, r *http.Request, err error) {
	if w.status != 0 {
		g.cut(w, r, err)
	}
	p := problemOf(err)
	// A read deadline that passes ends the request too, with its client there.
	if r.Context().Err() != nil && p.status != http.StatusRequestTimeout {
		w.gone = true
		panic(http.ErrAbortHandler) // to return would be an empty 200
	}
	if p.status >= http.StatusInternalServerError {
		g.logger.ErrorContext(r.Context(), "A request failed.",
			slog.String("requestId", w.id), slog.String("method", r.Method), slog.String("path", shortened(r.URL.Path)),
			slog.Int("status", p.status), slog.Any("error", err))
	}
	h := w.Header()
	h.Del("Content-Disposition")
	h.Del("Content-Encoding")
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	if p.status == http.StatusRequestTimeout {
		h.Set("Connection", "close") // or the answer would wait for the rest of the body
	}
	if p.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	body := errorBody{Status: "Error", Message: p.message, Timestamp: g.cfg.Now().UTC()}
	if err := writeJSON(w, p.status, body); err != nil {
		g.logger.DebugContext(r.Context(), "An answer could not be sent.", slog.String("requestId", w.id), slog.Any("error", err))
	}
}

// cut ends an answer of which part is out, so that nobody takes it for whole.
func (g *Gateway) cut(w *response, r *http.Request, err error) {
	w.gone = r.Context().Err() != nil
	level := slog.LevelError
	if w.gone {
		level = slog.LevelDebug
	}
	g.logger.LogAttrs(r.Context(), level, "An answer was cut off.",
		slog.String("requestId", w.id), slog.String("method", r.Method), slog.String("path", shortened(r.URL.Path)), slog.Any("error", err))
	panic(http.ErrAbortHandler)
}

type errorBody struct {
	Status    string    `json:"status"`
	Message   string    `json:"message"`
	Timestamp time.Time `json:"timestamp"`
}

const success = "success"

func writeJSON(w http.ResponseWriter, status int, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(b)+1))
	w.WriteHeader(status)
	if _, err := w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("send the answer: %w", err)
	}
	return nil
}
