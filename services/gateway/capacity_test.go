package gateway_test

import (
	"net/http"
	"testing"
	"time"

	"backupmonitor/events"
)

// TestCapacity: the figures are those of the log, for whoever is signed in.
func TestCapacity(t *testing.T) {
	t.Parallel()
	e := start(t)
	for _, id := range []string{"a", "b", "c"} {
		e.append(t, events.ScanRequested{ScanID: id})
	}
	id, err := e.nats.Log.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := get[struct {
		Bytes, Events uint64
		MaxBytes      int64
		Fill          float64
		EventsPerDay  float64
		FullAt        *time.Time
		Disk          *struct{}
	}](t, e, http.StatusOK, call{path: "/system/capacity", token: e.support})
	if got.Events == 0 || got.Events > id.Messages || got.MaxBytes != id.MaxBytes || got.Bytes == 0 || got.Fill <= 0 || got.Fill >= 1 {
		t.Errorf("%+v of %+v", got, id)
	}
	if got.EventsPerDay <= 0 || got.FullAt != nil || got.Disk != nil {
		t.Errorf("%+v of a log that is seconds old, elsewhere", got)
	}
	get[struct{}](t, e, http.StatusUnauthorized, call{path: "/system/capacity"})
}
