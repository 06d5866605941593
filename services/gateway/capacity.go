package gateway

import (
	"net/http"
	"time"

	"backupmonitor/services/internal/capacity"
)

// capacityBody is capacity.State as the API gives it. Bytes of the log are
// counted before compression.
type capacityBody struct {
	Status           string         `json:"status"`
	Bytes            uint64         `json:"bytes"`
	MaxBytes         int64          `json:"maxBytes"`
	Fill             float64        `json:"fill"`
	Events           uint64         `json:"events"`
	ArchivedSequence uint64         `json:"archivedSequence"`
	Since            time.Time      `json:"since"`
	EventsPerDay     float64        `json:"eventsPerDay"`
	BytesPerDay      float64        `json:"bytesPerDay"`
	FullAt           *time.Time     `json:"fullAt"`
	Limit            capacity.Limit `json:"limit,omitempty"`
	Disk             *diskBody      `json:"disk"`
	Alarm            string         `json:"alarm,omitempty"`
	MeasuredAt       time.Time      `json:"measuredAt"`
	Timestamp        time.Time      `json:"timestamp"`
}

type diskBody struct {
	LogBytes    int64   `json:"logBytes"`
	TablesBytes int64   `json:"tablesBytes"`
	FreeBytes   uint64  `json:"freeBytes"`
	TotalBytes  uint64  `json:"totalBytes"`
	BytesPerDay float64 `json:"bytesPerDay"`
}

// capacity tells how full the log is and when it will be.
func (g *Gateway) capacity(w *response, r *request) error {
	s, err := g.cfg.Capacity.State(r.Context())
	if err != nil {
		return logProblem(err)
	}
	body := capacityBody{
		Status: success, Bytes: s.Bytes, MaxBytes: s.MaxBytes, Fill: s.Fill, Events: s.Events, ArchivedSequence: s.Archived,
		Since: s.Since.UTC(), EventsPerDay: s.EventsPerDay, BytesPerDay: s.BytesPerDay, FullAt: s.FullAt, Limit: s.Limit,
		Alarm: s.Alarm, MeasuredAt: s.MeasuredAt.UTC(), Timestamp: g.cfg.Now().UTC(),
	}
	if d := s.Disk; d != nil {
		body.Disk = &diskBody{
			LogBytes: d.Log, TablesBytes: d.Tables, FreeBytes: d.Free, TotalBytes: d.Total, BytesPerDay: s.DiskBytesPerDay,
		}
	}
	return writeJSON(w, http.StatusOK, body)
}
