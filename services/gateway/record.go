package gateway

import (
	"math"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// record is a row of a stat table as clients get it: the original system's
// fields, and ours beside them. Times are UTC. What is not known is null.
type record struct {
	OutletCode   string      `json:"outletCode"`
	Server       string      `json:"server"`
	Status       string      `json:"status"`
	LastModified *time.Time  `json:"lastModified"` // by the outlet's own clock
	File         *string     `json:"file"`
	BackupSize   *string     `json:"backupsize"` // as 2.45 GB
	ScanDate     events.Date `json:"scanDate"`
	ErrorDetails *string     `json:"errorDetails"`
	DriveLetter  *string     `json:"driveLetter,omitempty"` // IB storage only

	OutletName       *string    `json:"outletName"`
	Cause            *string    `json:"cause"` // null for a row from before causes were kept
	Conclusive       bool       `json:"conclusive"`
	Evidence         int        `json:"evidence"` // 0 to 3, see events.Evidence
	SizeBytes        *int64     `json:"sizeBytes"`
	Duration         *string    `json:"duration"`
	DurationMS       float64    `json:"durationMs"`
	ObservedAt       *time.Time `json:"observedAt"`
	ClockSkewSeconds *float64   `json:"clockSkewSeconds"` // the outlet's clock minus ours
	FreeBytes        *int64     `json:"freeBytes"`
	TotalBytes       *int64     `json:"totalBytes"`
	ScanID           *string    `json:"scanId"`
}

func recordOf(r store.Row) record {
	rec := record{
		OutletCode: r.Outlet, Server: r.Server, Status: string(r.Status), LastModified: r.LastBackupTaken,
		File: text(r.BackupFile), BackupSize: text(r.BackupFileSize), ScanDate: r.ScanDate, ErrorDetails: text(r.ErrorDetails),
		DriveLetter: text(r.DriveLetter),
		OutletName:  text(r.OutletName), Cause: text(string(r.Cause)), Conclusive: r.Conclusive, Evidence: int(r.Evidence),
		SizeBytes: r.SizeBytes, Duration: text(r.Duration), DurationMS: r.DurationMS, ObservedAt: r.ObservedAt,
		FreeBytes: r.FreeBytes, TotalBytes: r.TotalBytes, ScanID: text(r.ScanID),
	}
	if r.ClockSkewMS != nil {
		s := math.Round(*r.ClockSkewMS) / 1000
		rec.ClockSkewSeconds = &s
	}
	return rec
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// sorter tells the rows whose backup is dated after their scan date.
type sorter struct {
	zone *time.Location
	day  events.Date
	end  time.Time // of day
}

func (s *sorter) advanced(r store.Row) bool {
	if r.LastBackupTaken == nil {
		return false
	}
	if r.ScanDate != s.day {
		_, end, err := r.ScanDate.Bounds(s.zone)
		if err != nil {
			return false // a date that is none has no end
		}
		s.day, s.end = r.ScanDate, end
	}
	return !r.LastBackupTaken.Before(s.end)
}
