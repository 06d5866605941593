package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"backupmonitor/services/internal/fleet/fault"
	"backupmonitor/services/internal/fleet/smbserver"
)

// Outlet is one running outlet. All its methods may be called at any time from anywhere.
type Outlet struct {
	fleet  *Fleet
	spec   Spec // but for its truth
	server *smbserver.Server
	truth  atomic.Pointer[Truth]

	open, peak, accepted atomic.Int64

	mu       sync.Mutex // guards what follows, and all changes of truth
	addr     string
	listener net.Listener
	reserved io.Closer // holds the address while nothing listens on it
	conns    map[net.Conn]struct{}
	closed   bool
}

// Stats counts what was asked of an outlet since it was started.
type Stats struct {
	smbserver.Stats
	Connections     int64 // open now
	PeakConnections int64 // the most that were open at once
	Accepted        int64 // ever
}

func newOutlet(f *Fleet, spec Spec) *Outlet {
	o := &Outlet{fleet: f, spec: spec, conns: map[net.Conn]struct{}{}}
	o.truth.Store(spec.Truth.clone())
	o.spec.Truth = Truth{}
	var otherwise smbserver.Intercept
	if f.options.Intercept != nil {
		otherwise = f.options.Intercept(o)
	}
	o.server = smbserver.New(smbserver.Config{
		Host:          host{o},
		Dialects:      f.options.Dialects,
		Latency:       func() time.Duration { return o.truth.Load().Latency },
		MaxSessions:   func() int { return o.truth.Load().MaxSessions },
		TakesUnsigned: func() bool { return o.truth.Load().TakesUnsigned },
		Intercept: func(ctx context.Context, conn net.Conn, r *smbserver.Response) error {
			return o.truth.Load().Faults.Write(ctx, conn, r, otherwise)
		},
	})
	return o
}

// Code is the outlet's code.
func (o *Outlet) Code() string { return o.spec.Code }

// Name is the outlet's name.
func (o *Outlet) Name() string { return o.spec.Name }

// Preset is what the outlet was made from; empty for one made by hand.
func (o *Outlet) Preset() Preset { return o.spec.Preset }

// Addr is where the outlet listens, as host:port. It never changes.
func (o *Outlet) Addr() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.addr
}

// Truth gives a copy of the outlet's truth.
func (o *Outlet) Truth() Truth { return *o.truth.Load().clone() }

// Change changes the outlet's truth; looks already begun may still see the old one. It fails if the outlet was to
// listen again and its address was taken meanwhile.
func (o *Outlet) Change(change func(t *Truth)) error {
	o.mu.Lock()
	t := o.truth.Load().clone()
	change(t)
	o.truth.Store(t)
	o.mu.Unlock()
	return o.apply()
}

// Stats gives the counts so far.
func (o *Outlet) Stats() Stats {
	return Stats{
		Stats:           o.server.Stats(),
		Connections:     o.open.Load(),
		PeakConnections: o.peak.Load(),
		Accepted:        o.accepted.Load(),
	}
}

// apply brings the listener in line with the truth.
func (o *Outlet) apply() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	if o.truth.Load().Reach != Unreachable {
		if o.listener == nil {
			return o.listenLocked(o.addr)
		}
		return nil
	}
	if o.listener == nil {
		return nil
	}
	err := o.listener.Close()
	o.listener = nil
	for conn := range o.conns {
		err = errors.Join(err, conn.Close())
	}
	o.reserved = reserve(o.addr)
	return err
}

func (o *Outlet) listen(address string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.listenLocked(address)
}

func (o *Outlet) listenLocked(address string) error {
	if o.reserved != nil {
		_ = o.reserved.Close() // it has never carried anything
		o.reserved = nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(o.fleet.ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	o.listener, o.addr = listener, listener.Addr().String()
	o.fleet.work.Go(func() { o.accept(listener) })
	return nil
}

// accept serves connections until the listener is closed.
func (o *Outlet) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			o.fleet.options.Logger.Warn("outlet cannot accept", slog.String("outlet", o.spec.Code), slog.Any("error", err))
			select {
			case <-o.fleet.ctx.Done():
				return
			case <-time.After(10 * time.Millisecond):
				continue
			}
		}
		if !o.admit(conn) {
			_ = conn.Close() // the outlet is closing
			continue
		}
		o.fleet.work.Go(func() { o.converse(conn) })
	}
}

// admit counts a connection in; false if the outlet has been closed or made unreachable meanwhile.
func (o *Outlet) admit(conn net.Conn) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.listener == nil {
		return false
	}
	o.conns[conn] = struct{}{}
	o.accepted.Add(1)
	o.peak.Store(max(o.peak.Load(), o.open.Add(1)))
	return true
}

// converse holds one conversation and counts the connection out.
func (o *Outlet) converse(conn net.Conn) {
	defer func() {
		_ = conn.Close() // a second time, as a rule
		o.mu.Lock()
		delete(o.conns, conn)
		o.open.Add(-1)
		o.mu.Unlock()
	}()
	switch o.truth.Load().Reach {
	case Silent:
		o.mute(conn)
		return
	case Resetting:
		_, _ = conn.Read(make([]byte, 1)) // a reset before that could come before the client is connected
		fault.Break(conn)
		return
	}
	if err := o.server.ServeConn(o.fleet.ctx, conn); err != nil {
		o.fleet.options.Logger.Debug("conversation ended", slog.String("outlet", o.spec.Code), slog.Any("error", err))
	}
}

// mute takes whatever comes and says nothing.
func (o *Outlet) mute(conn net.Conn) {
	release := context.AfterFunc(o.fleet.ctx, func() { _ = conn.Close() })
	defer release()
	_, _ = io.Copy(io.Discard, conn) // ends when the client gives up
}

// close ends listener and conversations; it does not wait.
func (o *Outlet) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	o.closed = true
	var err error
	if o.listener != nil {
		err = o.listener.Close()
	}
	if o.reserved != nil {
		err = errors.Join(err, o.reserved.Close())
	}
	for _, conn := range slices.Collect(maps.Keys(o.conns)) {
		_ = conn.Close() // its own conversation may have closed it
	}
	return err
}

// host shows the outlet to its server.
type host struct{ outlet *Outlet }

// Name is the code, as far as a NetBIOS name can hold it.
func (h host) Name() string {
	name := "SRV-" + strings.ToUpper(h.outlet.spec.Code)
	return name[:min(len(name), 15)]
}

// Clock is the outlet's own time; zero if it tells none.
func (h host) Clock() time.Time {
	if h.outlet.truth.Load().ClockUntold {
		return time.Time{}
	}
	return h.outlet.clock()
}

// Account finds the one account there is.
func (h host) Account(user string) (smbserver.Account, bool) {
	t := h.outlet.truth.Load()
	known := cmp.Or(t.User, h.outlet.fleet.options.User)
	password := cmp.Or(t.Password, h.outlet.fleet.options.Password)
	return smbserver.Account{Password: password, Refusal: t.Refusal}, strings.EqualFold(known, user)
}

// Share finds a drive.
func (h host) Share(name string) (smbserver.Volume, error) {
	drive, ok := h.outlet.truth.Load().Drive(name)
	switch {
	case !ok:
		return nil, smbserver.StatusBadNetworkName
	case drive.Refusal != smbserver.StatusOK:
		return nil, drive.Refusal
	}
	return volume{drive, h.outlet.clock}, nil
}

// clock is what the outlet believes the time to be, told or not.
func (o *Outlet) clock() time.Time {
	return o.fleet.options.Now().Add(o.truth.Load().ClockOffset).UTC()
}
