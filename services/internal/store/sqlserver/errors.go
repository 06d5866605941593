package sqlserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	mssql "github.com/microsoft/go-mssqldb"

	"backupmonitor/services/internal/store"
)

// Numbers of errors that the code decides on.
// Source: SQL Server, "Database Engine events and errors".
const (
	numberDuplicateKey   = 2627
	numberDuplicateIndex = 2601
	numberDeadlock       = 1205
	numberNoSnapshots    = 3952

	// numberForeignSequence is our own: user-defined ones begin at 50000.
	numberForeignSequence = 50001
)

// meaning is what a number says to an operator, and what it makes of the error;
// see store.Trouble.
type meaning struct {
	text                string
	refused, unstorable bool
}

// meaningOf knows the numbers that an operator can do something about. Others
// pass, or are our fault, and speak for themselves.
func meaningOf(number int32) (meaning, bool) {
	switch number {
	case 18456, 18452, 18470, 18486, 18487, 18488, 4064:
		return meaning{text: "the sign-in was refused: check DB_USERNAME, DB_PASSWORD and that login", refused: true}, true
	case 229, 230, 262, 297, 300, 916, 15247:
		return meaning{text: "a permission is missing: see grants.sql", refused: true}, true
	case 8152, 2628, 515, 241, 242: // a text, that there is none, a date or a time
		return meaning{text: store.ErrUnstorable.Error() + ": the service's log says which", unstorable: true}, true
	case 4060, 911:
		return meaning{text: "the database of DB_DATABASE does not exist, or is not available"}, true
	case 17142, 18401, 18451, 922, 927, 942, 945, 976, 978, 983:
		return meaning{text: "the server or the database is starting, paused or in recovery"}, true
	case 1205:
		return meaning{text: "the transaction lost a deadlock"}, true
	case 1222:
		return meaning{text: "another session keeps a lock"}, true
	case 1204, 701, 802, 8645:
		return meaning{text: "the server is short of memory or locks"}, true
	case 9002:
		return meaning{text: "the database's transaction log is full: back it up or let it grow"}, true
	case 1101, 1105, 3257:
		return meaning{text: "the database or its disk is full"}, true
	case 3906, 3908:
		return meaning{text: "the database is read-only"}, true
	case 823, 824, 825, 3624:
		return meaning{text: "the database is damaged: run DBCC CHECKDB, and restore it"}, true
	}
	return meaning{}, false
}

// explain says in words what an operator can do something about. A server that
// is not ready refuses the sign-in too: what else it says then comes first.
func explain(err error) error {
	if _, done := errors.AsType[*store.Trouble](err); err == nil || done {
		return err
	}
	e, ok := errors.AsType[mssql.Error](err)
	switch {
	case ok:
	case isCertificate(err):
		return &store.Trouble{Reason: certificateReason, Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &store.Trouble{Reason: "the database does not answer in time", Err: err}
	case isNetwork(err):
		return &store.Trouble{Reason: "the database server cannot be reached", Err: err}
	default:
		return err
	}
	var found []meaning
	for _, number := range numbersOf(e) {
		if m, ok := meaningOf(number); ok {
			found = append(found, m)
		}
	}
	if len(found) == 0 {
		return err
	}
	said := found[0]
	if i := slices.IndexFunc(found, func(m meaning) bool { return !m.refused }); i >= 0 {
		said = found[i]
	}
	return &store.Trouble{Reason: said.text, Refused: said.refused, Unstorable: said.unstorable, Err: err}
}

const certificateReason = "the database server's certificate is not trusted: name it, or who issued it, in DB_CERTIFICATE, " +
	"or the name it is for in DB_HOSTNAME_IN_CERTIFICATE; DB_ENCRYPT=disable does without"

func isCertificate(err error) bool {
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	// With DB_ENCRYPT=true the driver tells of it in text alone.
	return authority || name || invalid || verify || strings.Contains(err.Error(), "TLS Handshake failed: ") && strings.Contains(err.Error(), "x509: ")
}

func numbersOf(e mssql.Error) []int32 {
	numbers := []int32{e.Number}
	for _, one := range e.All {
		numbers = append(numbers, one.Number)
	}
	return numbers
}

func isNetwork(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok && !errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, driver.ErrBadConn)
}

// is tells whether the server answered with one of the numbers.
func is(err error, numbers ...int32) bool {
	e, ok := errors.AsType[mssql.Error](err)
	return ok && slices.ContainsFunc(numbersOf(e), func(n int32) bool { return slices.Contains(numbers, n) })
}

func isDuplicate(err error) bool { return is(err, numberDuplicateKey, numberDuplicateIndex) }
