package events

import (
	"math"
	"time"
)

// Why a scan was asked for.
const (
	TriggerCron = "cron" // the schedule
	TriggerAPI  = "api"  // a person or program, through the gateway
	TriggerSync = "sync" // a re-sync of chosen outlets, through the gateway
	TriggerCLI  = "cli"  // the command line
	// TriggerPublic is somebody who did not sign in, where the scan streams are
	// public.
	TriggerPublic = "public"
)

// Policy is what a look is judged by. A zero MaxAgeSeconds turns the age rule
// off.
type Policy struct {
	MaxAgeSeconds int64    `json:"maxAgeSeconds"`
	MinSizeBytes  int64    `json:"minSizeBytes"`
	Patterns      []string `json:"patterns"` // of file names, with * and ?, ignoring case
}

// MostMaxAgeSeconds is the greatest age that a time.Duration can hold, some 292
// years: what is written is to be no greater.
const MostMaxAgeSeconds = int64(math.MaxInt64 / time.Second)

// MaxAge is the age over which a backup is stale; 0 means never. One that is
// greater than there can be, as an older log may have it, is the greatest: it
// must not turn into one that every backup has.
func (p Policy) MaxAge() time.Duration {
	return time.Duration(max(0, min(p.MaxAgeSeconds, MostMaxAgeSeconds))) * time.Second
}

// ScanRequested asks for looks. It is published expecting that its subject is
// empty, so each exists once; its stream sequence is the scan's request
// position.
type ScanRequested struct {
	ScanID      string    `json:"scanId"`
	ScanDate    Date      `json:"scanDate"`
	Modes       []Mode    `json:"modes"`
	Outlets     []string  `json:"outlets,omitempty"` // none: every active outlet
	Trigger     string    `json:"trigger"`
	RequestedBy string    `json:"requestedBy,omitempty"`
	RequestedAt time.Time `json:"requestedAt"`
	Deadline    time.Time `json:"deadline"` // of every look; at most 24 h after RequestedAt
}

// Full tells whether the scan is of every active outlet.
func (e ScanRequested) Full() bool { return len(e.Outlets) == 0 }

// ScanStarted fixes what a scan consists of, so that every scheduler that ever
// works on it expands the same list.
type ScanStarted struct {
	ScanID          string    `json:"scanId"`
	ScanDate        Date      `json:"scanDate"`
	Modes           []Mode    `json:"modes"`
	RequestPosition uint64    `json:"requestPosition"` // sequence of the ScanRequested
	Outlets         []string  `json:"outlets"`         // the codes, as registered at the request position
	AttachedTo      string    `json:"attachedTo,omitempty"`
	HostPosition    uint64    `json:"hostPosition,omitempty"` // request position of the scan attached to
	Policy          Policy    `json:"policy"`
	StartedAt       time.Time `json:"startedAt"`
	Deadline        time.Time `json:"deadline"`
}

// Position is the request position that looks must have reached to count for
// this scan: the host's for an attached scan.
func (e ScanStarted) Position() uint64 {
	if e.AttachedTo != "" {
		return e.HostPosition
	}
	return e.RequestPosition
}

// ModeCount is the outcome of a scan in one mode. Failed includes NotObserved,
// the outlets that nobody could look at.
type ModeCount struct {
	Total       int `json:"total"`
	Successful  int `json:"successful"`
	Failed      int `json:"failed"`
	NotObserved int `json:"notObserved"`
}

// Completed is how many outlets have their look.
func (c ModeCount) Completed() int { return c.Successful + c.Failed }

// ScanCompleted ends a scan, whatever happened: also without any prober, and
// when it was cancelled.
type ScanCompleted struct {
	ScanID      string             `json:"scanId"`
	ScanDate    Date               `json:"scanDate"`
	Modes       []Mode             `json:"modes"`
	Counts      map[Mode]ModeCount `json:"counts"`
	Unobserved  int                `json:"unobserved,omitempty"` // looks that never came: ended as expired, or left open by a cancel
	Cancelled   bool               `json:"cancelled,omitempty"`
	CancelledBy string             `json:"cancelledBy,omitempty"`
	CompletedAt time.Time          `json:"completedAt"`
}

// ProbeCommand has one outlet looked at; it waits on the work queue. Every
// accepted command ends in exactly one BackupObserved for each of its modes.
type ProbeCommand struct {
	ScanID          string    `json:"scanId"`
	ScanDate        Date      `json:"scanDate"`
	Outlet          string    `json:"outlet"`
	Server          string    `json:"server"` // address, or host:port
	Modes           []Mode    `json:"modes"`
	RequestPosition uint64    `json:"requestPosition"`
	Policy          Policy    `json:"policy"` // the outlet's own max age already in it
	Deadline        time.Time `json:"deadline"`
}
