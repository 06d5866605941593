// Package events is the public contract of Outlet DB Backup Monitor: the
// events, the subjects they travel on, the two streams that hold them, and how
// to write and read them. It depends on the NATS client alone, so that any
// subscriber can import it. This page explains how the whole product flows.
//
//	          cron · REST · command line
//	                │ ScanRequested
//	                ▼
//	┌───────────┐ ProbeCommand ┌────────┐   SMB    ┌─────────┐
//	│ scheduler │─────────────▶│ prober │─────────▶│ outlets │
//	└───────────┘    PROBES    └────────┘          └─────────┘
//	     ▲ counts   work queue     │ BackupObserved
//	     │                         ▼
//	     └──────────────══════ EVENTS, the log ══════──────▶ your subscriber
//	                         │               │
//	          ordered, from  ▼ a checkpoint  ▼ one live feed
//	                  ┌───────────┐      ┌─────────┐  REST · SSE · page
//	                  │ projector │─SQL─▶│ gateway │◀──────────── browser
//	                  └───────────┘      └─────────┘
//
// # One scan, from request to table
//
// Somebody (the schedule, the API, the command line) stores a [ScanRequested].
// It is written expecting that its subject is empty, so it exists once; its
// sequence in the log is the scan's request position.
//
// A scheduler that gets it from the shared consumer writes [ScanStarted], the
// list of outlets as registered at that position, and offers a [ProbeCommand]
// for each outlet on the work queue PROBES. The queue keeps one message a
// subject and refuses a second: an outlet is never looked at twice at once,
// however many scans and schedulers there are. What was refused is offered
// again after the outlet has been observed.
//
// Any prober with a free worker takes a command, lists the backup folders over
// SMB, and appends one [BackupObserved] for each mode: the facts, and the
// verdict on them. Only then is the command acknowledged. The event's id is
// made from scan, outlet and mode alone, so that a repeated look is recognised
// as the same event. Every accepted command ends in exactly one event a mode,
// also when nobody could look: then the cause is inconclusive, which never
// means that a backup is missing.
//
// The scheduler counts the observations. An outlet is done, in a mode, with
// the first look for that scan date whose request position is not before the
// scan's own. When all are done, or the deadline has passed, it stores
// [ScanCompleted] and acknowledges the request. A scheduler that dies in
// between is followed by another, which folds the log from the request
// position and goes on: schedulers keep no state.
//
// Two faults concern more than one outlet, and stand in the log by themselves.
// A domain account that is refused twice is not used any more until one
// sign-in has succeeded ([CredentialChanged]): a thousand wrong passwords would
// lock it. A prober that reaches no outlet at all says that it is offline
// ([ProberChanged]) and leaves the commands in the queue, instead of calling
// each outlet unreachable.
//
// The projector reads the log in order, from the checkpoint in its database,
// and writes rows, history and the new checkpoint in one transaction. The
// day's row is the maximum by ([Evidence], sequence) of all that was said
// about that outlet, mode and scan date.
//
// The gateway serves the tables, and the log live.
//
// # For subscribers
//
// Every event is a CloudEvents 1.0 message in binary mode: JSON data, the
// envelope in ce-* headers. The version is part of ce-type. An event is never
// changed, only added to: ignore fields that you do not know. The directory
// schemas has a JSON Schema for each type, asyncapi.yaml describes the
// channels, and testdata holds a golden message of every version ever written.
//
//	log := events.NewLog(js, "my-subscriber")
//	feed, err := log.Feed(ctx, events.FeedOptions{Subjects: []string{events.AllObserved}})
//	defer feed.Stop()
//	for {
//		record, err := feed.Next(ctx)
//		event, err := record.Decode()
//		look := event.Data.(events.BackupObserved)
//	}
//
// Old looks and scans may be archived: the log then has gaps, which
// [LogArchived] names, and a reader from the beginning is given the rest. A log
// that was restored has another [Identity], and says in [LogRestored] up to
// which sequence it is the one that you knew. An event that cannot be read stays in
// the log; [LogDismissed] names those that an operator has found to be nothing.
//
// Keep the sequence of the last record that you have dealt with, and the
// [Identity] of the log beside it, and open the next feed from there.
package events
