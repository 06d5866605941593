package live

import (
	"context"
	"errors"
	"fmt"
)

// ErrGone says that a position cannot be resumed from: it belongs to another
// log, what followed it is no longer there, or it is too much.
var ErrGone = errors.New("the position is not in the log")

// Selection is what a client gets.
type Selection struct {
	// Subjects are those of the log on which all of it is; nil: it may be on any;
	// empty: nothing is selected. They spare a resumption the reading of the rest,
	// and do not overlap.
	Subjects []string
	Wants    func(*Frame) bool
}

// Client is one receiver of the live feed.
type Client struct {
	hub   *Hub
	wants func(*Frame) bool
	queue chan *Frame
	// Start is where the hub stood when the client came: it gets what follows.
	Start Position
	seen  uint64 // sequence of what the client has
}

// Frames delivers what follows Start. It is closed when the client has fallen
// too far behind, when the log was replaced, and when the hub ends.
func (c *Client) Frames() <-chan *Frame { return c.queue }

// New tells whether the client does not have a frame yet, and takes it for had
// from now on: around a resumption a frame may come a second time. The one
// reader of Frames asks it.
func (c *Client) New(f *Frame) bool {
	if f.Seq <= c.seen {
		return false
	}
	c.seen = f.Seq
	return true
}

// Close ends the client. It may be called more than once.
func (c *Client) Close() {
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	c.hub.drop(c)
}

// Join makes a client of the frames that wants accepts, from now on. Errors:
// ErrStopped, ctx's.
func (h *Hub) Join(ctx context.Context, wants func(*Frame) bool) (*Client, error) {
	for {
		if err := h.Ready(ctx); err != nil {
			return nil, err
		}
		c := &Client{hub: h, wants: wants, queue: make(chan *Frame, queueLength)}
		if h.add(c) {
			return c, nil
		}
	}
}

func (h *Hub) add(c *Client) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.identity == "" {
		return false
	}
	c.Start = Position{Identity: h.identity, Seq: h.last}
	c.seen = h.last
	h.clients[c] = struct{}{}
	return true
}

// drop ends a client; the caller holds the lock.
func (h *Hub) drop(c *Client) {
	if _, ok := h.clients[c]; ok {
		delete(h.clients, c)
		close(c.queue)
	}
}

// Resume sends what follows a position up to now, reading the log by itself,
// and then makes a client for the rest: of what is selected and follows none is
// missing, and what is New none is there twice. Errors: ErrGone, ErrStopped,
// send's, ctx's, or the network's.
func (h *Hub) Resume(ctx context.Context, after Position, selected Selection, send func(*Frame) error) (*Client, error) {
	if err := h.Ready(ctx); err != nil {
		return nil, err
	}
	if err := h.holds(ctx, after); err != nil {
		return nil, err
	}
	select {
	case h.replaying <- struct{}{}:
		defer func() { <-h.replaying }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a turn to read the log: %w", ctx.Err())
	}
	r := replay{log: theLog{h.log}, most: h.maxReplay, identity: after.Identity, sent: after.Seq, selected: selected, send: send}
	// Most is read before there is a queue that could overflow.
	_, target := h.Position()
	if err := r.upTo(ctx, target); err != nil {
		return nil, err
	}
	c, err := h.Join(ctx, selected.Wants)
	if err != nil {
		return nil, err
	}
	if c.Start.Identity != after.Identity {
		c.Close()
		return nil, fmt.Errorf("%w: it is of another log", ErrGone)
	}
	if err := r.upTo(ctx, c.Start.Seq); err != nil {
		c.Close()
		return nil, err
	}
	c.seen = r.sent
	return c, nil
}

// holds tells whether all that follows a position is in the log.
func (h *Hub) holds(ctx context.Context, after Position) error {
	id, err := h.log.Identity(ctx)
	switch {
	case err != nil:
		return err
	case id.ID() != after.Identity:
		return fmt.Errorf("%w: it is of another log", ErrGone)
	case after.Seq > id.LastSeq:
		return fmt.Errorf("%w: the log ends before it", ErrGone)
	case after.Seq < id.Archived:
		return fmt.Errorf("%w: what follows it was archived", ErrGone)
	case after.Seq+1 < id.FirstSeq:
		return fmt.Errorf("%w: the log begins after it", ErrGone)
	}
	return nil
}
