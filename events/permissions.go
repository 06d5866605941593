package events

// ServiceProber is the name that a prober connects with.
const ServiceProber = "prober"

// Permissions are the subjects that a client of NATS may use. Denied wins over
// Publish; an empty Subscribe is all there are. The requests in them are those of
// the JetStream API's reference,
// https://docs.nats.io/reference/reference-protocols/nats_api_reference.
type Permissions struct {
	Publish, Denied, Subscribe []string
}

// ServicePermissions are what a service may do: write events and commands, and ask
// JetStream what changes nothing. It may make and delete consumers of its own on the
// log. It may not touch a stream: whoever may change one's limits makes the server
// forget all that is in it.
func ServicePermissions() Permissions {
	return Permissions{
		Publish: append(readsLog(), AllEvents, subjectProbe+"*", subjectInbox+">", "$JS.ACK.>", "$JS.API.INFO",
			"$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.INFO.*.*", "$JS.API.CONSUMER.MSG.NEXT.*.*"),
		Denied: changesShared(),
	}
}

// ProberPermissions are what a prober needs, and no more: it stands nearest to
// outlets that may be hostile. It takes commands to look, tells what it saw, of
// itself and of the accounts it signs in with, and reads the log.
func ProberPermissions() Permissions {
	probers := StreamProbes + "." + ConsumerProbers
	return Permissions{
		Publish: append(readsLog(), subjectObserved+">", subjectProber+">", subjectAccount+">",
			"$JS.ACK."+probers+".>", "$JS.API.CONSUMER.INFO."+probers, "$JS.API.CONSUMER.MSG.NEXT."+probers),
		Denied:    append(changesShared(), "$JS.API.CONSUMER.MSG.NEXT."+StreamEvents+"."+ConsumerSchedulers),
		Subscribe: []string{subjectInbox + Token(ServiceProber) + ".>"},
	}
}

// readsLog are the requests of whoever reads the log by consumers of its own.
func readsLog() []string {
	return []string{
		"$JS.API.STREAM.INFO." + StreamEvents, "$JS.API.STREAM.MSG.GET." + StreamEvents,
		"$JS.API.CONSUMER.CREATE." + StreamEvents + ".>", "$JS.API.CONSUMER.DELETE." + StreamEvents + ".*",
		"$JS.API.CONSUMER.INFO." + StreamEvents + ".*", "$JS.API.CONSUMER.MSG.NEXT." + StreamEvents + ".*",
	}
}

// changesShared are requests of these that would change a consumer that is not
// one's own.
func changesShared() []string {
	shared := StreamEvents + "." + ConsumerSchedulers
	return []string{
		"$JS.API.CONSUMER.CREATE." + shared, "$JS.API.CONSUMER.CREATE." + shared + ".>", "$JS.API.CONSUMER.DELETE." + shared,
	}
}
