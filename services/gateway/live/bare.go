package live

import (
	"time"

	"backupmonitor/events"
)

// bare is what a screen on a wall gets to know of an event: no field that the lists
// it may read do not give it. Of an event that is in none of them, as a change of
// the settings, it learns that there was one.
func bare(p events.Payload) any {
	switch e := p.(type) {
	case events.ScanRequested:
		return bareRequest{e.ScanID, e.ScanDate, e.Modes, e.Trigger, e.RequestedBy, e.RequestedAt, e.Deadline}
	case events.ScanStarted:
		return bareStart{e.ScanID, e.ScanDate, e.Modes, e.AttachedTo, e.StartedAt, e.Deadline}
	case events.BackupObserved:
		return bareLookOf(e)
	case events.HistoryImported:
		return bareRow{
			e.Outlet, e.Mode, e.ScanDate, e.Status, e.LastBackupTaken, e.BackupFile, e.BackupFileSize, e.Duration, e.ErrorDetails, e.DriveLetter,
		}
	case events.ScanCompleted, events.CredentialChanged, events.ProberChanged:
		return e
	}
	return struct{}{}
}

type bareRequest struct {
	ScanID      string        `json:"scanId"`
	ScanDate    events.Date   `json:"scanDate"`
	Modes       []events.Mode `json:"modes"`
	Trigger     string        `json:"trigger"`
	RequestedBy string        `json:"requestedBy,omitempty"`
	RequestedAt time.Time     `json:"requestedAt"`
	Deadline    time.Time     `json:"deadline"`
}

type bareStart struct {
	ScanID     string        `json:"scanId"`
	ScanDate   events.Date   `json:"scanDate"`
	Modes      []events.Mode `json:"modes"`
	AttachedTo string        `json:"attachedTo,omitempty"`
	StartedAt  time.Time     `json:"startedAt"`
	Deadline   time.Time     `json:"deadline"`
}

type bareLook struct {
	Outlet      string      `json:"outlet"`
	Server      string      `json:"server"`
	Mode        events.Mode `json:"mode"`
	ScanID      string      `json:"scanId"`
	ScanDate    events.Date `json:"scanDate"`
	StartedAt   time.Time   `json:"startedAt"`
	DurationMS  float64     `json:"durationMs"`
	ClockSkewMS float64     `json:"clockSkewMs"`
	Verdict     bareVerdict `json:"verdict"`
}

type bareVerdict struct {
	Status      events.Status   `json:"status"`
	Cause       events.Cause    `json:"cause"`
	Conclusive  bool            `json:"conclusive"`
	Evidence    events.Evidence `json:"evidence"`
	DriveLetter string          `json:"driveLetter,omitempty"`
	File        *bareFile       `json:"file,omitempty"`
	Detail      string          `json:"detail,omitempty"`
}

type bareFile struct {
	Name     string    `json:"name"`
	Bytes    int64     `json:"bytes"`
	Modified time.Time `json:"modified"`
}

func bareLookOf(e events.BackupObserved) bareLook {
	v := e.Verdict
	l := bareLook{
		e.Outlet, e.Server, e.Mode, e.ScanID, e.ScanDate, e.StartedAt, e.DurationMS, e.ClockSkewMS,
		bareVerdict{v.Status, v.Cause, v.Conclusive, v.Evidence, v.DriveLetter, nil, v.Detail},
	}
	if f := v.File; f != nil {
		l.Verdict.File = &bareFile{f.Name, f.Bytes, f.Modified}
	}
	return l
}

type bareRow struct {
	Outlet          string        `json:"outlet"`
	Mode            events.Mode   `json:"mode"`
	ScanDate        events.Date   `json:"scanDate"`
	Status          events.Status `json:"status"`
	LastBackupTaken *time.Time    `json:"lastBackupTaken,omitempty"`
	BackupFile      string        `json:"backupFile,omitempty"`
	BackupFileSize  string        `json:"backupFileSize,omitempty"`
	Duration        string        `json:"duration,omitempty"`
	ErrorDetails    string        `json:"errorDetails,omitempty"`
	DriveLetter     string        `json:"driveLetter,omitempty"`
}
