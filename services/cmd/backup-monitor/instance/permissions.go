package instance

import (
	"github.com/nats-io/nats-server/v2/server"

	"backupmonitor/events"
)

// What a client may ask of JetStream begins so. Source: nats-server,
// jetstream_api.go.
const (
	streamAPI   = "$JS.API.STREAM."
	consumerAPI = "$JS.API.CONSUMER."
)

// servicePermissions are those of the services, also of those on other machines:
// they write events and read them, and do what commands ask. What would take from
// the log, or change a stream or a consumer that all share, is the keeper's.
func servicePermissions() *server.Permissions {
	const probes, schedulers = events.StreamProbes, events.StreamEvents + "." + events.ConsumerSchedulers
	return &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{
		streamAPI + "CREATE.>", streamAPI + "UPDATE.>", streamAPI + "DELETE.>", streamAPI + "PURGE.>", streamAPI + "MSG.DELETE.>",
		streamAPI + "SNAPSHOT.>", streamAPI + "RESTORE.>", streamAPI + "PEER.>", streamAPI + "LEADER.>", streamAPI + "CANCEL_MOVE.>",
		consumerAPI + "CREATE." + probes, consumerAPI + "CREATE." + probes + ".>", consumerAPI + "DELETE." + probes + ".>",
		consumerAPI + "CREATE." + schedulers, consumerAPI + "CREATE." + schedulers + ".>", consumerAPI + "DELETE." + schedulers,
		consumerAPI + "DURABLE.>", consumerAPI + "PAUSE.>", consumerAPI + "RESET.>", consumerAPI + "UNPIN.>",
		consumerAPI + "PEER.>", consumerAPI + "LEADER.>", "$JS.API.META.>", "$JS.API.SERVER.>", "$JS.API.ACCOUNT.>",
	}}}
}

// proberPermissions are those of a prober that runs alone: it takes commands to
// look, and tells of looks, of itself and of accounts. It reads the last events of
// those subjects, and hears nothing of what the others do.
func proberPermissions() *server.Permissions {
	const probers = events.StreamProbes + "." + events.ConsumerProbers
	return &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{
			events.AllObserved, events.AllProbers, events.AllCredentials,
			streamAPI + "INFO." + events.StreamEvents, streamAPI + "INFO." + events.StreamProbes, streamAPI + "MSG.GET." + events.StreamEvents,
			consumerAPI + "INFO." + probers, consumerAPI + "MSG.NEXT." + probers,
			"$JS.ACK." + probers + ".>", "$JS.ACK.*.*." + probers + ".>", // of both forms
		}},
		Subscribe: &server.SubjectPermission{Allow: []string{events.InboxPrefix("prober") + ".>"}},
	}
}
