package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/internal/store"
)

// However many strangers come, they leave streams to those who sign in.
func TestStrangersLeaveStreamsToOthers(t *testing.T) {
	t.Parallel()
	l := newStreamLimit()
	for i := range maxPublic {
		if err := l.begin(fmt.Sprint("stranger at ", i), true); err != nil {
			t.Fatal(err)
		}
	}
	err := l.begin("stranger at home", true)
	if p, ok := errors.AsType[*problem](err); !ok || p.status != http.StatusServiceUnavailable || p.retryAfter <= 0 {
		t.Errorf("one stranger more: %v", err)
	}
	if err := l.begin("jo", false); err != nil {
		t.Errorf("somebody who signed in: %v", err)
	}
	l.end("stranger at 0", true)
	if err := l.begin("stranger at home", true); err != nil {
		t.Errorf("when one has left: %v", err)
	}
}

// What is known of callers whose requests went on once is forgotten before it is
// much.
func TestAnswersAboutCallersAreFew(t *testing.T) {
	t.Parallel()
	w := newAllowed(nil)
	for i := range 5 * maxStreams {
		w.answer(auth.Caller{User: store.User{ID: fmt.Sprint("u", i)}})
	}
	if n := len(w.answers); n > 2*maxStreams {
		t.Errorf("%d answers are kept", n)
	}
}
