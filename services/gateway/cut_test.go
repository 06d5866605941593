package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/gateway/sse"
)

// bounded is a connection that knows its write deadline.
type bounded struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (b *bounded) SetWriteDeadline(t time.Time) error {
	b.deadline = t
	return nil
}

// An answer that was cut off stays so, whatever its handler does: no later write
// gets a time of its own. One that had not begun is the error's alone.
func TestWhatIsCutOffStaysSo(t *testing.T) {
	t.Parallel()
	for name, begun := range map[string]bool{"begun": true, "not begun": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := &Gateway{cfg: Config{Now: time.Now}, logger: slog.New(slog.DiscardHandler), allowed: newAllowed(func(context.Context, auth.Caller) error { return auth.ErrBadToken })}
				conn := &bounded{ResponseRecorder: httptest.NewRecorder()}
				w := &response{ResponseWriter: conn, rc: http.NewResponseController(conn)}
				if begun {
					if _, err := w.Write([]byte("x")); err != nil {
						t.Fatal(err)
					}
				}
				r := &request{Request: httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)}
				err := g.attended(func(w *response, r *request) error {
					<-r.Context().Done()
					synctest.Wait()
					w.Header().Set("Content-Encoding", "gzip")
					w.WriteHeader(http.StatusOK)
					if _, err := w.Write([]byte("y")); err == nil {
						t.Error("a write succeeds")
					}
					if _, err := sse.Open(w); err == nil {
						t.Error("a stream opens")
					}
					return nil
				})(w, r)
				if conn.deadline.After(time.Now()) {
					t.Errorf("a write may take until %s from now", time.Until(conn.deadline))
				}
				p, ok := errors.AsType[*problem](err)
				if ok == begun || strings.Contains(conn.Body.String(), "y") {
					t.Errorf("the answer is %q, and then %v", conn.Body, err)
				}
				if !begun {
					g.fail(w, r.Request, p)
					if conn.Code != http.StatusUnauthorized || !strings.Contains(conn.Body.String(), "Sign in again") {
						t.Errorf("the answer is %d %s", conn.Code, conn.Body)
					}
					if coding := conn.Header().Get("Content-Encoding"); coding != "" {
						t.Errorf("the error is said to be in %s", coding)
					}
				}
			})
		})
	}
}
