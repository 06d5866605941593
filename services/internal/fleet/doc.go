// Package fleet simulates outlets: servers on loopback, each with its own drives, folders, files, clock, credentials and
// faults, which speak SMB well enough that a real client cannot tell. The demo, the tests and the load runs look at them
// as they would look at shops.
//
// A [Spec] describes an outlet: its code, its name and its [Truth]. [New] makes one from a [Preset]; [Demo] makes any
// number, in a realistic mixture, the same for the same seed. [Start] opens a listener for each and serves until Close:
//
//	outlets, err := fleet.Start(ctx, fleet.Demo(1000, 1, time.Now), fleet.Options{})
//	if err != nil { … }
//	defer outlets.Close()
//	for _, o := range outlets.Outlets() {
//		fmt.Fprintln(w, o.Code(), o.Addr())	// B0001 127.0.0.1:40123
//	}
//
// The truth of a running outlet is read with [Outlet.Truth] and changed with [Outlet.Change]: a backup arrives, a stick
// is pulled, the password changes, the line goes dead. What a folder holds may be computed on demand, so that a hundred
// thousand files or ten thousand outlets cost next to nothing. [Outlet.Expect] says what a right look at it must find,
// known from how it was made and not from the rules that are under test. [Outlet.Stats] counts what was asked of it.
//
// An outlet misbehaves on the wire where its truth has faults (package fault); everything else a server says passes
// through [Options.Intercept] before it is written.
package fleet
