package sqlserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/internal/store/sqlserver"
	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
)

// certified makes a certificate for sql.example, and the file of its authority,
// itself.
func certified(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sql.example"}, DNSNames: []string{"sql.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

// signInWith asks the version of a database that has none, and so tells whether
// somebody is there.
func signInWith(t *testing.T, o sqlserver.Options) error {
	t.Helper()
	s, err := sqlserver.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	err = s.Ping(t.Context())
	if err != nil && strings.Contains(err.Error(), "has tables of version") {
		return nil
	}
	if err == nil {
		t.Fatal("a database without tables of ours answers as one with them")
	}
	return err
}

// TestEncryption: an encrypted server is believed with the right authority and
// name, and with nothing else.
func TestEncryption(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(sqlservertest.Server(t))
	if err != nil {
		t.Fatal("no URL")
	}
	password, _ := u.User.Password()
	certificate, authority := certified(t)
	_, another := certified(t)
	for _, encrypt := range []string{"true", "strict"} {
		at := sqlservertest.NewSecure(t, u.String(), certificate, encrypt == "strict")
		with := func(change func(*sqlserver.Options)) sqlserver.Options {
			o := sqlserver.Options{
				Server: strings.Replace(at, ":", ",", 1), Database: u.Query().Get("database"), Username: u.User.Username(), Password: password,
				Encrypt: encrypt, Certificate: authority, HostNameInCertificate: "sql.example",
			}
			change(&o)
			return o
		}
		if err := signInWith(t, with(func(*sqlserver.Options) {})); err != nil {
			t.Errorf("%s: refused with everything right: %v", encrypt, err)
		}
		for name, change := range map[string]func(*sqlserver.Options){
			"an authority that the system does not know": func(o *sqlserver.Options) { o.Certificate = "" },
			"another authority":                          func(o *sqlserver.Options) { o.Certificate = another },
			"another name":                               func(o *sqlserver.Options) { o.HostNameInCertificate = "other.example" },
			"the host's own name":                        func(o *sqlserver.Options) { o.HostNameInCertificate = "" },
		} {
			err := signInWith(t, with(change))
			if err == nil {
				t.Errorf("%s: %s is believed", encrypt, name)
			} else if strings.Contains(err.Error(), password) {
				t.Errorf("%s: %s: the password is told", encrypt, name)
			}
		}
	}
	// A server that does not encrypt is not spoken to, unless told so.
	plain := sqlserver.Options{
		Server: strings.Replace(u.Host, ":", ",", 1), Database: u.Query().Get("database"), Username: u.User.Username(), Password: password,
		Certificate: authority, HostNameInCertificate: "sql.example",
	}
	for encrypt, spoken := range map[string]bool{"disable": true, "true": false, "strict": false} {
		plain.Encrypt = encrypt
		if err := signInWith(t, plain); (err == nil) != spoken {
			t.Errorf("DB_ENCRYPT=%s to a server without encryption: %v", encrypt, err)
		}
	}
}

// TestNamedInstance is found where the server says that it listens.
func TestNamedInstance(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(sqlservertest.Server(t))
	if err != nil {
		t.Fatal("no URL")
	}
	const host = "127.0.53.7" // an address that nobody else's test uses
	_, dsn := sqlservertest.NewLineAt(t, u.String(), host)
	over, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("no URL")
	}
	sqlservertest.NewBrowser(t, host, "SHOPS", over.Port())
	password, _ := u.User.Password()
	o := sqlserver.Options{
		Server: host + `\SHOPS`, Database: u.Query().Get("database"), Username: u.User.Username(), Password: password, Encrypt: "disable",
	}
	if err := signInWith(t, o); err != nil {
		t.Error(err)
	}
	o.Server = host + `\OTHER`
	if err := signInWith(t, o); err == nil {
		t.Error("an instance that is not there answers")
	}
}
