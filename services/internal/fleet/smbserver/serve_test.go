package smbserver

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// serve holds a conversation over a pipe. The client's end is closed with the test; ended gives how it ended.
func serve(ctx context.Context, t *testing.T, config Config) (client net.Conn, ended <-chan error) {
	t.Helper()
	config.Host = testHost{}
	client, server := net.Pipe()
	t.Cleanup(func() { _ = client.Close() })
	if err := client.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- New(config).ServeConn(ctx, server) }()
	return client, done
}

func frameOf(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)
}

// TestServeEnds ends conversations in every way there is; each must come back, and close the connection.
func TestServeEnds(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx    context.Context
		config Config
		send   []byte
		hangUp bool
		want   string
	}{
		"client leaves":         {t.Context(), Config{}, nil, true, "<nil>"},
		"client leaves halfway": {t.Context(), Config{}, []byte{0, 0, 1, 0, 0xFE}, true, "unexpected EOF"},
		"length in part":        {t.Context(), Config{}, []byte{0, 0}, true, "read frame length"},
		"length out of bounds":  {t.Context(), Config{}, []byte{0, 0xFF, 0xFF, 0xFF}, false, "out of bounds"},
		"other protocol":        {t.Context(), Config{}, []byte("GET / HTTP/1.1\r\n\r\n"), false, "out of bounds"},
		"no message":            {t.Context(), Config{}, frameOf(make([]byte, 80)), false, "client broke the protocol"},
		"nothing said":          {t.Context(), Config{IdleTimeout: time.Millisecond}, nil, false, os.ErrDeadlineExceeded.Error()},
		"context done":          {canceled, Config{}, nil, false, "closed pipe"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, ended := serve(test.ctx, t, test.config)
			if _, err := client.Write(test.send); err != nil {
				t.Logf("write: %v", err)
			}
			if test.hangUp {
				_ = client.Close()
			}
			if got := fmt.Sprint(<-ended); !strings.Contains(got, test.want) {
				t.Errorf("ended with %s, want %s", got, test.want)
			}
			if _, err := client.Read(make([]byte, 1)); err == nil {
				t.Error("the connection is still open")
			}
		})
	}
}

// TestInterceptEndsConversation lets the interceptor refuse to go on, and wait for the end.
func TestInterceptEndsConversation(t *testing.T) {
	t.Parallel()
	request := newTalk(t).message(Negotiate, 0, negotiateRequest(dialect311))
	broken := errors.New("broken wire")
	client, ended := serve(t.Context(), t, Config{Intercept: func(_ context.Context, conn net.Conn, r *Response) error {
		if _, err := conn.Write(r.Frame[:10]); err != nil {
			return err
		}
		return broken
	}})
	if _, err := client.Write(frameOf(request)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(client)
	if len(got) != 10 || err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("read %d bytes: %v", len(got), err)
	}
	if err := <-ended; !errors.Is(err, broken) {
		t.Errorf("ended with %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan struct{})
	client, ended = serve(ctx, t, Config{Intercept: func(ctx context.Context, _ net.Conn, _ *Response) error {
		close(waiting)
		<-ctx.Done()
		return ctx.Err()
	}})
	if _, err := client.Write(frameOf(request)); err != nil {
		t.Fatal(err)
	}
	<-waiting
	cancel()
	if err := <-ended; err == nil {
		t.Error("ended without a reason")
	}
}

// TestPipelining sends requests without waiting, and expects the answers in order.
func TestPipelining(t *testing.T) {
	t.Parallel()
	client, ended := serve(t.Context(), t, Config{Latency: func() time.Duration { return time.Millisecond }})
	k := newTalk(t)
	negotiate := k.message(Negotiate, 0, negotiateRequest(dialect311))
	sent := make(chan error, 1)
	go func() {
		_, err := client.Write(frameOf(negotiate))
		sent <- err
	}()
	answers := bytes.NewBuffer(nil)
	if _, err := io.CopyN(answers, client, 4); err != nil {
		t.Fatal(err)
	}
	n := int64(binary.BigEndian.Uint32(answers.Bytes()))
	if _, err := io.CopyN(answers, client, n); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if h, ok := decodeHeader(answers.Bytes()[4:]); !ok || h.credits != 64 {
		t.Fatalf("answer %+v", h)
	}
	const echoes = 64
	go func() {
		for range echoes {
			if _, err := client.Write(frameOf(k.message(Echo, 0, []byte{4, 0, 0, 0}))); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for i := range echoes {
		frame := make([]byte, 4+headerSize+4)
		if _, err := io.ReadFull(client, frame); err != nil {
			t.Fatal(err)
		}
		if h, ok := decodeHeader(frame[4:]); !ok || h.messageID != uint64(i+1) || h.command != Echo {
			t.Fatalf("answer %d is %+v", i, h)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
