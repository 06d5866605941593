package sqlservertest

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Source of the numbers: [MS-TDS], "Packet Header", "PRELOGIN" and "LOGIN7".
const (
	packetHeader   = 8
	packetLogin    = 0x10
	packetPrelogin = 0x12

	optionEncryption = 0x01
	optionsEnd       = 0xff

	encryptionOn, encryptionNone = 1, 2

	loginVersion = packetHeader + 4 // where a LOGIN7 packet has the protocol's version
	version74    = 0x74000004
)

// NewSecure is the address of a server that demands encryption, in the way of
// TDS 8 (strict) or in that of the versions before; behind it is the one of the
// DSN. What a client says when it is refused is the client's affair.
func NewSecure(t testing.TB, dsn string, certificate tls.Certificate, strict bool) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("the DSN is not a URL") // err has the password
	}
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := secure{backend: u.Host, strict: strict, config: &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, NextProtos: []string{"tds/8.0"},
	}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // closed
			}
			serving.Go(func() { _ = s.serve(t, client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

type secure struct {
	backend string
	strict  bool
	config  *tls.Config
}

func (s secure) serve(t testing.TB, client net.Conn) error {
	defer func() { _ = client.Close() }()
	var d net.Dialer
	server, err := d.DialContext(t.Context(), "tcp", s.backend)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	if s.strict {
		client = tls.Server(client, s.config)
	}
	if err := negotiate(client, server, s.strict); err != nil {
		return err
	}
	if !s.strict {
		w := &wrapped{Conn: client}
		over := tls.Server(w, s.config)
		if err := over.HandshakeContext(t.Context()); err != nil {
			return err
		}
		w.bare, client = true, over
	}
	if err := login(client, server); err != nil {
		return err
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	_, err = io.Copy(server, client)
	_ = server.Close()
	back.Wait()
	return err
}

// negotiate passes the PRELOGIN on: the server behind is asked for no
// encryption, and the client is told that there is.
func negotiate(client, server net.Conn, strict bool) error {
	ask, err := packet(client)
	if err != nil {
		return err
	}
	setEncryption(ask, encryptionNone)
	if _, err := server.Write(ask); err != nil {
		return err
	}
	answer, err := packet(server)
	if err != nil {
		return err
	}
	if !strict {
		setEncryption(answer, encryptionOn)
	}
	_, err = client.Write(answer)
	return err
}

// login passes the LOGIN7 on, in the words of the version that every server
// knows.
func login(client, server net.Conn) error {
	p, err := packet(client)
	if err != nil {
		return err
	}
	if p[0] == packetLogin {
		binary.LittleEndian.PutUint32(p[loginVersion:], version74)
	}
	_, err = server.Write(p)
	return err
}

func packet(c net.Conn) ([]byte, error) {
	header := make([]byte, packetHeader)
	if _, err := io.ReadFull(c, header); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(header[2:]))
	if n < packetHeader {
		return nil, errors.New("a packet shorter than its header")
	}
	p := make([]byte, n)
	copy(p, header)
	_, err := io.ReadFull(c, p[packetHeader:])
	return p, err
}

func setEncryption(p []byte, to byte) {
	body := p[packetHeader:]
	for i := 0; i+4 < len(body) && body[i] != optionsEnd; i += 5 {
		if at := int(binary.BigEndian.Uint16(body[i+1:])); body[i] == optionEncryption && at < len(body) {
			body[at] = to
		}
	}
}

// wrapped carries the handshake in packets, as it goes before TDS 8, and what
// follows bare.
type wrapped struct {
	net.Conn
	bare bool
	rest []byte // of the packet that is being read
}

func (w *wrapped) Read(b []byte) (int, error) {
	if w.bare {
		return w.Conn.Read(b)
	}
	if len(w.rest) == 0 {
		p, err := packet(w.Conn)
		if err != nil {
			return 0, err
		}
		w.rest = p[packetHeader:]
	}
	n := copy(b, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

func (w *wrapped) Write(b []byte) (int, error) {
	if w.bare {
		return w.Conn.Write(b)
	}
	header := make([]byte, packetHeader)
	header[0], header[1] = packetPrelogin, 1
	binary.BigEndian.PutUint16(header[2:], uint16(packetHeader+len(b)))
	if _, err := w.Conn.Write(append(header, b...)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// NewBrowser answers at an address of its own of the loopback network, which it
// returns, where an instance of that name listens, as SQL Server Browser does:
// at port 1434, which no client can be told otherwise. Source: [MC-SQLR].
func NewBrowser(t testing.TB, address, instance, port string) {
	t.Helper()
	var listen net.ListenConfig
	c, err := listen.ListenPacket(t.Context(), "udp", net.JoinHostPort(address, "1434"))
	if err != nil {
		t.Skipf("nobody can be asked for instances here: %v", err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for buffer := make([]byte, 64); ; {
			_, from, err := c.ReadFrom(buffer)
			if err != nil {
				return // closed
			}
			text := "ServerName;TEST;InstanceName;" + instance + ";IsClustered;No;Version;16.0.1000.6;tcp;" + port + ";;"
			answer := append([]byte{5, byte(len(text)), byte(len(text) >> 8)}, text...)
			_, _ = c.WriteTo(answer, from)
		}
	})
	t.Cleanup(func() {
		_ = c.Close()
		serving.Wait()
	})
}
