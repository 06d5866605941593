package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet/smbserver"
)

// Spec describes an outlet that is to be started.
type Spec struct {
	Code string // as the registry has it, such as B0001
	Name string
	// Preset is what it was made from; empty for one made by hand.
	Preset Preset
	Truth  Truth
	// Expected is what a right look in each mode must find, until the truth is changed.
	Expected map[events.Mode]Expected
}

// The account an outlet has unless the fleet or its truth names another.
const (
	DefaultUser     = "backupmonitor"
	DefaultPassword = "outlet-demo"
)

// Options is what all outlets of a fleet share; the zero value will do.
type Options struct {
	// User and Password are the account of every outlet whose truth names none; empty means the defaults above.
	User, Password string
	// Now is the right time, from which each outlet's clock is off by its offset; nil means time.Now.
	Now func() time.Time
	// Address says where outlet i listens, for example "127.0.3.7:445"; nil means a free port of 127.0.0.1.
	Address func(i int) string
	// Dialects are those spoken, for example 0x0311 alone; nil means all.
	Dialects []uint16
	// Intercept sees each frame of an outlet that meets none of the truth's faults before it is written, and writes it;
	// nil writes it as it is.
	Intercept func(o *Outlet) smbserver.Intercept
	// Logger is told at debug level why conversations ended; nil means nobody is.
	Logger *slog.Logger
}

// Fleet is a set of running outlets.
type Fleet struct {
	outlets []*Outlet
	byCode  map[string]*Outlet
	options Options
	ctx     context.Context
	stop    context.CancelFunc
	work    sync.WaitGroup
}

// Start opens a listener for each outlet and serves until Close is called or ctx is done. It fails if an address cannot
// be had or a code stands twice, ignoring case.
func Start(ctx context.Context, specs []Spec, options Options) (*Fleet, error) {
	options.User = cmp.Or(options.User, DefaultUser)
	options.Password = cmp.Or(options.Password, DefaultPassword)
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Address == nil {
		options.Address = func(int) string { return "127.0.0.1:0" }
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Fleet{byCode: make(map[string]*Outlet, len(specs)), options: options}
	f.ctx, f.stop = context.WithCancel(ctx)
	for i, spec := range specs {
		key := strings.ToUpper(spec.Code)
		if _, twice := f.byCode[key]; twice {
			return nil, errors.Join(fmt.Errorf("start outlet: code %q stands twice", spec.Code), f.Close())
		}
		o := newOutlet(f, spec)
		if err := o.listen(options.Address(i)); err != nil {
			return nil, errors.Join(fmt.Errorf("start outlet %s: %w", spec.Code, err), f.Close())
		}
		f.outlets = append(f.outlets, o)
		f.byCode[key] = o
	}
	// Only now: while every listener is open no two outlets can be given the same port.
	for _, o := range f.outlets {
		if err := o.apply(); err != nil {
			return nil, errors.Join(fmt.Errorf("start outlet %s: %w", o.Code(), err), f.Close())
		}
	}
	f.work.Go(func() {
		<-f.ctx.Done()
		for _, o := range f.outlets {
			_ = o.close() // told by Close, if anybody asks
		}
	})
	return f, nil
}

// Outlets gives all outlets in the order of their specs.
func (f *Fleet) Outlets() []*Outlet { return f.outlets }

// Outlet finds an outlet by its code, in any case.
func (f *Fleet) Outlet(code string) (*Outlet, bool) {
	o, ok := f.byCode[strings.ToUpper(code)]
	return o, ok
}

// Account is the account of every outlet whose truth names none.
func (f *Fleet) Account() (user, password string) { return f.options.User, f.options.Password }

// Close ends all listeners and conversations, and returns when nothing of the fleet runs any more.
func (f *Fleet) Close() error {
	f.stop()
	var errs []error
	for _, o := range f.outlets {
		errs = append(errs, o.close())
	}
	f.work.Wait()
	return errors.Join(errs...)
}
