package events

import "time"

// File is a file as the outlet's server listed it. Times are UTC, by the
// server's own clock.
type File struct {
	Name     string    `json:"name"`
	Bytes    int64     `json:"bytes"`
	Modified time.Time `json:"modified"`
	Created  time.Time `json:"created,omitzero"`
}

// LookError is what stopped a look, or the part of it that concerns one drive.
type LookError struct {
	Code     Cause  `json:"code"`
	Step     string `json:"step"`               // connect, negotiate, sign_in, share, folder, list
	NTStatus string `json:"ntStatus,omitempty"` // as 0xC000006D; [MS-ERREF] 2.3.1
	Detail   string `json:"detail"`             // a sentence for an operator
}

// Drive is what a look saw on one drive.
type Drive struct {
	Letter     string  `json:"letter"` // upper case, without colon; "" where the share names no drive
	Share      string  `json:"share"`
	Folder     string  `json:"folder"`
	FreeBytes  *uint64 `json:"freeBytes,omitempty"`
	TotalBytes *uint64 `json:"totalBytes,omitempty"`
	// FileCount is how many files of the pattern the folder holds.
	FileCount int `json:"fileCount"`
	// Files are the newest 16 of the pattern, of any size, modified at or
	// before the limit, newest first, always with the newest that is large
	// enough.
	Files []File `json:"files,omitempty"`
	// FilesAfter are the 4 newest modified after the limit, newest first.
	FilesAfter []File     `json:"filesAfter,omitempty"`
	Error      *LookError `json:"error,omitempty"`
}

// Step is how long one part of a look took.
type Step struct {
	Name       string  `json:"name"`
	DurationMS float64 `json:"durationMs"`
}

// Verdict is the judgement on the facts of a look.
type Verdict struct {
	Status      Status   `json:"status"`
	Cause       Cause    `json:"cause"`
	Conclusive  bool     `json:"conclusive"`
	Evidence    Evidence `json:"evidence"`
	DriveLetter string   `json:"driveLetter,omitempty"` // of the drive that decided
	File        *File    `json:"file,omitempty"`        // the chosen file; without a good one, the one that explains the cause
	Detail      string   `json:"detail,omitempty"`      // why it Failed, in one sentence; empty when Successful
	Policy      Policy   `json:"policy"`
}

// BackupObserved is one look at one outlet in one mode: the facts, and the
// verdict on them. The facts let the log be judged again; the verdict lets a
// subscriber act without judging.
type BackupObserved struct {
	Outlet          string    `json:"outlet"`
	Server          string    `json:"server"`
	Mode            Mode      `json:"mode"`
	ScanID          string    `json:"scanId"`
	ScanDate        Date      `json:"scanDate"`
	RequestPosition uint64    `json:"requestPosition"`
	Attempt         int       `json:"attempt"`
	StartedAt       time.Time `json:"startedAt"`
	DurationMS      float64   `json:"durationMs"`
	// Today: the look began on the scan date, in the prober's TZ.
	Today bool `json:"today"`
	// ServerTime is the server's clock, from SMB2 NEGOTIATE, [MS-SMB2] 2.2.4;
	// nil when it sent none.
	ServerTime *time.Time `json:"serverTime,omitempty"`
	// ClockSkewMS is the server's clock minus ours; 0 without ServerTime.
	ClockSkewMS float64 `json:"clockSkewMs"`
	// Cutoff is the instant, in the server's clock, that ages are measured
	// from: now for a look on the day itself, else the end of the scan date.
	Cutoff time.Time `json:"cutoff"`
	// Drives holds, in the configured order, each drive that was asked for.
	Drives []Drive `json:"drives,omitempty"`
	// Error is what kept the look from reaching any drive.
	Error    *LookError `json:"error,omitempty"`
	Steps    []Step     `json:"steps,omitempty"`
	Verdict  Verdict    `json:"verdict"`
	Warnings []string   `json:"warnings,omitempty"`
}
