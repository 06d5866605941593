package smbserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// maxRequest bounds a request frame: the largest write the server would take, and room for headers.
	maxRequest   = maxWrite + 4096
	writeTimeout = 30 * time.Second
	// queueLength bounds the answers waiting for their moment; a client that sends on without reading waits.
	queueLength = 64
)

// outgoing is a response and the moment at which it leaves.
type outgoing struct {
	response *Response
	due      time.Time
}

// ServeConn holds one conversation until the client leaves, breaks the protocol, or ctx is done; then it closes conn.
// The error says why it ended, and is nil when the client left between two requests.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer release()

	queue := make(chan outgoing, queueLength)
	var writer sync.WaitGroup
	var writeErr error
	writer.Go(func() {
		defer cancel()
		writeErr = s.write(ctx, conn, queue)
	})
	readErr := s.read(ctx, conn, queue)
	close(queue)
	cancel() // the client has left: nobody waits for what is still to be said
	writer.Wait()
	if writeErr != nil && !errors.Is(writeErr, context.Canceled) {
		return writeErr
	}
	return readErr
}

// read takes requests off the connection and queues their answers.
func (s *Server) read(ctx context.Context, conn net.Conn, queue chan<- outgoing) error {
	talk := newConversation(s)
	defer talk.end()
	var answered [commandCount]int
	for number := 1; ; {
		if err := conn.SetReadDeadline(time.Now().Add(s.config.IdleTimeout)); err != nil {
			return fmt.Errorf("set read deadline: %w", err)
		}
		frame, err := readFrame(conn)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		due := time.Now().Add(s.config.Latency())
		response, err := talk.answer(frame)
		if err != nil {
			return err
		}
		if response == nil {
			continue
		}
		response.Number = number
		number++
		if c := int(response.Command); c < commandCount {
			answered[c]++
			response.Nth = answered[c]
		}
		select {
		case queue <- outgoing{response, due}:
		case <-ctx.Done():
			return fmt.Errorf("queue response: %w", ctx.Err())
		}
	}
}

// write sends the queued answers, each at its moment, until the queue is closed.
func (s *Server) write(ctx context.Context, conn net.Conn, queue <-chan outgoing) error {
	for out := range queue {
		if wait := time.Until(out.due); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			}
		}
		if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return fmt.Errorf("set write deadline: %w", err)
		}
		if err := s.config.Intercept(ctx, conn, out.response); err != nil {
			return fmt.Errorf("send %s response: %w", out.response.Command, err)
		}
	}
	return nil
}

// readFrame reads one message with its direct TCP prefix, [MS-SMB2] 2.1. It fails with io.EOF only between frames.
func readFrame(r io.Reader) ([]byte, error) {
	var prefix [4]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, fmt.Errorf("read frame length: %w", err)
	}
	n := binary.BigEndian.Uint32(prefix[:])
	if n > maxRequest {
		return nil, fmt.Errorf("read frame: length 0x%08X is out of bounds", n)
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, fmt.Errorf("read frame: %w", errors.Join(err, io.ErrUnexpectedEOF))
	}
	return frame, nil
}
