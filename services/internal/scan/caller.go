package scan

import "backupmonitor/events"

// CallerSchedule is the Caller of the schedule's scans.
const CallerSchedule = "schedule"

// Caller tells apart who asked for scans, where these are counted or shared out:
// the schedule, the strangers all together, and everybody else by their name. The
// command line is one caller.
func Caller(r events.ScanRequested) string {
	switch r.Trigger {
	case events.TriggerCron:
		return CallerSchedule
	case events.TriggerPublic:
		return "strangers"
	}
	return "by:" + r.RequestedBy
}
