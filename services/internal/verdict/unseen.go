package verdict

import (
	"time"

	"backupmonitor/events"
)

// Unseen is the event of a command that ends in one mode without a look, for
// the reason e: what nobody saw, judged like everything else by the command's
// policy. at is when it ended so; zone says which day that is. Its Attempt is
// 1, for whoever does not know how often the command was tried.
//
// Whoever ends a command makes its event here: two services may do so for the
// same command, under the same id, and it must not matter whose is stored.
func Unseen(c events.ProbeCommand, mode events.Mode, at time.Time, zone *time.Location, e events.LookError) events.BackupObserved {
	look := events.BackupObserved{
		Outlet: c.Outlet, Server: c.Server, Mode: mode,
		ScanID: c.ScanID, ScanDate: c.ScanDate, RequestPosition: c.RequestPosition,
		Attempt: 1, StartedAt: at.UTC(), Today: Today(c.ScanDate, at, zone), Error: &e,
	}
	cutoff, err := Cutoff(c.ScanDate, at, zone, Clock{})
	if err != nil {
		look.Warnings = append(look.Warnings, err.Error())
	}
	look.Cutoff = cutoff
	look.Verdict = Judge(look, c.Policy)
	return look
}

// Expired is the reason of a command whose deadline has passed.
func Expired(c events.ProbeCommand) events.LookError {
	return events.LookError{
		Code:   events.CauseExpired,
		Detail: "no prober got to it before the scan's deadline, " + c.Deadline.UTC().Format("2006-01-02 15:04:05 UTC"),
	}
}
