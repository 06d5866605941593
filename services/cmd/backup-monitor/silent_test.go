package main

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"backupmonitor/services/internal/descriptors"
)

// While somebody holds hundreds of connections to NATS and says nothing, a prober
// connects at once, and the page answers.
func TestSilentConnectionsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	s := newSettings(t, settings{"NATS_LISTEN": "127.0.0.1:0"})
	in, _ := startUp(t, s)
	password, err := os.ReadFile(filepath.Join(s["DATA_DIR"], "nats-prober-password"))
	if err != nil {
		t.Fatal(err)
	}
	url := natsAddress(t, s).URL
	for range min(600, descriptors.Allowed()/8) { // each end is one, and half of them are places
		silent(t, strings.TrimPrefix(url, "nats://"))
	}
	nc, err := nats.Connect(url, nats.UserInfo("prober", string(password)), nats.Timeout(patience), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	in.call(http.MethodGet, "/livez", nil, http.StatusOK, nil)
}

// silent is a connection that the server has greeted, and that does not answer.
func silent(t *testing.T, address string) {
	t.Helper()
	c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the server may have
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(line, "INFO") {
		t.Fatalf("%q, %v", line, err)
	}
}
