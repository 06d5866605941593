package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// Call has the running instance do a command, and reads what it answers into
// reply. progress may be nil. When ctx ends the instance is told to stop, and
// its answer is waited for, so that the work is over when Call returns.
// Errors: ErrNobody, ErrSilent, ctx's, and the command's own as text.
func Call(ctx context.Context, nc *nats.Conn, t Timing, name string, request, reply any, progress func(Progress)) error {
	t = t.withDefaults()
	data, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", name, err)
	}
	inbox, answers := nc.NewInbox(), make(chan *nats.Msg, 64)
	sub, err := nc.ChanSubscribe(inbox, answers)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", name, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // only a closed connection refuses
	c := &call{nc: nc, timing: t, there: subjectThere + nats.NewInbox()[len(nats.InboxPrefix):]}
	m := &nats.Msg{Subject: subjectCall + name, Reply: inbox, Data: data, Header: nats.Header{headerCall: {c.there[len(subjectThere):]}}}
	if err := nc.PublishMsg(m); err != nil {
		return fmt.Errorf("ask for %s: %w", name, err)
	}
	result, err := c.follow(ctx, answers, progress)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(result, reply); err != nil {
		return fmt.Errorf("read the answer to %s: %w", name, err)
	}
	return nil
}

type call struct {
	nc     *nats.Conn
	timing Timing
	there  string
	result []byte
}

// follow reads what comes until the result.
func (c *call) follow(ctx context.Context, answers <-chan *nats.Msg, progress func(Progress)) ([]byte, error) {
	alive := time.NewTicker(c.timing.Alive)
	defer alive.Stop()
	silence := time.NewTimer(c.timing.Silent)
	defer silence.Stop()
	leave := ctx.Done()
	for {
		select {
		case <-leave:
			leave = nil // told once; the end of the work is waited for
			c.say(kindLeave)
		case <-alive.C:
			if leave != nil {
				c.say(kindAlive)
			}
		case <-silence.C:
			return nil, errors.Join(ctx.Err(), ErrSilent)
		case m := <-answers:
			silence.Reset(c.timing.Silent)
			if end, err := c.take(m, progress); end || err != nil {
				if err != nil && ctx.Err() != nil {
					err = ctx.Err() // that it was stopped is what was asked for
				}
				return c.result, err
			}
		}
	}
}

// take reads one message and tells whether it was the last.
func (c *call) take(m *nats.Msg, progress func(Progress)) (end bool, err error) {
	if m.Header.Get("Status") == "503" { // the server's: nobody listens there
		return true, ErrNobody
	}
	switch m.Header.Get(headerKind) {
	case kindProgress:
		var p Progress
		if err := json.Unmarshal(m.Data, &p); err == nil && progress != nil {
			progress(p)
		}
	case kindPart:
		c.result = append(c.result, m.Data...)
	case kindResult:
		c.result = append(c.result, m.Data...)
		return true, nil
	case kindError:
		var text string
		if err := json.Unmarshal(m.Data, &text); err != nil {
			return true, fmt.Errorf("the error cannot be read: %w", err)
		}
		return true, errors.New(text)
	}
	return false, nil
}

func (c *call) say(kind string) {
	// A connection that is down is noticed by the silence.
	_ = c.nc.PublishMsg(&nats.Msg{Subject: c.there, Header: nats.Header{headerKind: {kind}}})
}

// Do does a command in this process, as Call has it done elsewhere.
func Do(ctx context.Context, h Handler, request, reply any, progress func(Progress)) error {
	data, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	result, err := h(ctx, data, progress)
	if err != nil {
		return err
	}
	if data, err = json.Marshal(result); err == nil {
		err = json.Unmarshal(data, reply)
	}
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
