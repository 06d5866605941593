package users

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"backupmonitor/events"
	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/internal/store"
)

const (
	// subject is where a running instance is asked. It belongs to no stream:
	// what is asked is kept nowhere.
	subject = "ctl.users"
	// group lets one of several gateways answer.
	group = "users"
	// answerTimeout bounds what one command may take.
	answerTimeout = 10 * time.Second
)

// ErrNobody says that no instance answers that manages users.
var ErrNobody = errors.New("no running instance manages users")

// Op is what a command does.
type Op string

// The operations.
const (
	OpList     Op = "list"
	OpAdd      Op = "add"
	OpPassword Op = "passwd"
	OpUnlock   Op = "unlock"
	OpDisable  Op = "disable"
	OpEnable   Op = "enable"
)

// Command is one thing to do, for the command line. A password is never in it, only
// its hash.
type Command struct {
	Op   Op
	User store.User // of OpAdd whole; else ID, and PasswordHash of OpPassword
}

// Reply is what came of a command.
type Reply struct {
	Users []store.User // of OpList; hashes left out
	User  store.User   // as it is now; its hash left out

	Problem string // "" where it was done
	Code    string // of the problem
}

// Do does a command on the directory.
func (d *Directory) Do(ctx context.Context, c Command) (Reply, error) {
	var r Reply
	var err error
	by := Actor{ID: events.ActorCommandLine}
	if (c.Op == OpAdd || c.Op == OpPassword) && !auth.Strong(c.User.PasswordHash) {
		return r, fmt.Errorf("%w: it has no password that is hashed as ours are", ErrInvalid)
	}
	no, yes := false, true
	switch c.Op {
	case OpList:
		r.Users, err = d.List(ctx)
		for i := range r.Users {
			r.Users[i].PasswordHash = ""
		}
		return r, err
	case OpAdd:
		r.User, err = c.User, d.Add(ctx, by, c.User)
	case OpPassword:
		r.User, err = d.Change(ctx, by, c.User.ID, Change{PasswordHash: &c.User.PasswordHash})
	case OpUnlock:
		r.User, err = d.Change(ctx, by, c.User.ID, Change{Unlock: true})
	case OpDisable:
		r.User, err = d.Change(ctx, by, c.User.ID, Change{Active: &no})
	case OpEnable:
		r.User, err = d.Change(ctx, by, c.User.ID, Change{Active: &yes})
	default:
		err = fmt.Errorf("%w: %q is no operation", ErrInvalid, c.Op)
	}
	r.User.PasswordHash = ""
	return r, err
}

// codes tells errors apart over the wire.
func codes() map[string]error {
	return map[string]error{"invalid": ErrInvalid, "not_found": store.ErrNotFound, "exists": store.ErrExists, "last_admin": store.ErrLastAdmin}
}

// Serve answers commands that come over NATS until ctx ends; of several who
// serve the same users one answers each. Whoever may publish there is the command
// line of this installation; a prober's credential may not.
func (d *Directory) Serve(ctx context.Context, nc *nats.Conn, logger *slog.Logger) error {
	waiting := make(chan *nats.Msg, 16)
	s, err := nc.ChanQueueSubscribe(subject, group, waiting)
	if err != nil {
		return fmt.Errorf("listen for commands about users: %w", err)
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case m := <-waiting:
			if err := m.Respond(d.answer(ctx, m.Data, logger)); err != nil {
				logger.WarnContext(ctx, "A command about users was done, but not answered.", slog.Any("error", err))
			}
		}
	}
	if err := s.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("stop listening for commands about users: %w", err)
	}
	return nil
}

func (d *Directory) answer(ctx context.Context, data []byte, logger *slog.Logger) []byte {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer cancel()
	var c Command
	var r Reply
	err := json.Unmarshal(data, &c)
	if err != nil {
		err = fmt.Errorf("%w: the command is not readable", ErrInvalid)
	} else {
		r, err = d.Do(ctx, c)
	}
	if err != nil {
		r = Reply{Problem: "it could not be done; the service log says why", Code: "failed"}
		for code, known := range codes() {
			if errors.Is(err, known) {
				r.Problem, r.Code = err.Error(), code
			}
		}
		if r.Code == "failed" {
			logger.ErrorContext(ctx, "A command about users failed.", slog.String("op", string(c.Op)), slog.Any("error", err))
		}
	}
	b, err := json.Marshal(r)
	if err != nil {
		return nil
	}
	return b
}

// remoteError is a problem of the other side: its text, and what it is.
type remoteError struct {
	text string
	is   error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.is }

// Ask has a running instance do a command. Errors: those of Do, told apart in
// the same way, and ErrNobody.
func Ask(ctx context.Context, nc *nats.Conn, c Command) (Reply, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return Reply{}, fmt.Errorf("ask the running instance: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout+time.Second)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, subject, data)
	if errors.Is(err, nats.ErrNoResponders) {
		return Reply{}, ErrNobody
	}
	if err != nil {
		return Reply{}, fmt.Errorf("ask the running instance: %w", err)
	}
	var r Reply
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return Reply{}, fmt.Errorf("the running instance's answer is not readable: %w", err)
	}
	if r.Problem != "" {
		return r, &remoteError{r.Problem, codes()[r.Code]}
	}
	return r, nil
}
