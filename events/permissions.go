package events

// ServiceProber is the name that a prober connects with.
const ServiceProber = "prober"

// Permissions are the subjects that a client of NATS may use. The requests in them are
// those of the JetStream API's reference,
// https://docs.nats.io/reference/reference-protocols/nats_api_reference.
//
// By themselves they bound what is asked for, and not where the answer goes: NATS
// publishes it at whatever subject a request names, with its own right, be it that of
// a purge of the log. So those who have them need a NATS account that is not the
// log's, and that imports from it, as services, what is in Ask.
type Permissions struct {
	Ask       []string // may be published, to the log
	Publish   []string // may be published besides, among themselves
	Denied    []string // may not be published, whatever Ask says
	Subscribe []string // empty: everything
}

// RequestNext begins the one request that has many answers; stream and consumer follow.
const RequestNext = "$JS.API.CONSUMER.MSG.NEXT."

// ServicePermissions are what a service may do: write events and commands, and ask
// JetStream what changes nothing. It may make and delete consumers of its own on the
// log. It may not touch a stream: whoever may change one's limits makes the server
// forget all that is in it.
func ServicePermissions() Permissions {
	schedulers := StreamEvents + "." + ConsumerSchedulers
	return Permissions{
		Ask: []string{
			AllEvents, subjectProbe + "*", "$JS.ACK.>",
			"$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*",
			"$JS.API.CONSUMER.INFO.*.*", RequestNext + "*.*",
			"$JS.API.CONSUMER.CREATE." + StreamEvents + ".>", "$JS.API.CONSUMER.DELETE." + StreamEvents + ".*",
		},
		Publish: []string{subjectInbox + ">"},
		Denied: []string{ // they are everybody's
			"$JS.API.CONSUMER.CREATE." + schedulers, "$JS.API.CONSUMER.CREATE." + schedulers + ".>", "$JS.API.CONSUMER.DELETE." + schedulers,
		},
	}
}

// ProberPermissions are what a prober needs: it stands nearest to
// outlets that may be hostile. It takes commands to look, tells what it saw, of
// itself and of the accounts it signs in with, and reads single events.
func ProberPermissions() Permissions {
	probers := StreamProbes + "." + ConsumerProbers
	return Permissions{
		Ask: []string{
			subjectObserved + ">", subjectProber + ">", subjectAccount + ">",
			"$JS.API.STREAM.INFO." + StreamEvents, "$JS.API.STREAM.MSG.GET." + StreamEvents,
			"$JS.API.CONSUMER.INFO." + probers, RequestNext + probers,
			"$JS.ACK." + probers + ".>", "$JS.ACK.*.*." + probers + ".>", // the second with a domain and an account
		},
		Subscribe: []string{subjectInbox + Token(ServiceProber) + ".>"},
	}
}
