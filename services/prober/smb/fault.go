package smb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/cloudsoda/go-smb2"

	"backupmonitor/events"
)

var errNotAFolder = errors.New("it is a file, not a folder")

// panicError is a panic of the library, which decodes what strangers send.
type panicError struct{ value any }

func (e panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// guard turns a panic of f into an error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicError{p}
		}
	}()
	return f()
}

// dialError says why no TCP connection came about.
func dialError(hostPort string, err error) *events.LookError {
	e := &events.LookError{Code: events.CauseUnreachable, Step: StepConnect}
	var dns *net.DNSError
	switch {
	case isTimeout(err):
		e.Code, e.Detail = events.CauseTimeout, hostPort+" did not answer in time"
	case errors.As(err, &dns):
		e.Detail = fmt.Sprintf("the name %s cannot be resolved: %s", dns.Name, dns.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Detail = hostPort + " refused the connection"
	case errors.Is(err, syscall.ECONNRESET):
		e.Detail = hostPort + " reset the connection at once"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		e.Detail = "there is no way to " + hostPort
	default:
		e.Detail = fmt.Sprintf("no connection to %s: %v", hostPort, err)
	}
	return e
}

// isAnswer tells that a connection failed because something at the address
// refused it.
func isAnswer(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
}

// barredError says why the account was not even tried.
func barredError(cred Credential, err error) *events.LookError {
	if paused, ok := errors.AsType[*PausedError](err); ok {
		return &events.LookError{Code: events.CausePaused, Step: StepSignIn, Detail: paused.Detail}
	}
	return &events.LookError{
		Code: events.CauseTimeout, Step: StepSignIn,
		Detail: fmt.Sprintf("the account %s is being tried at another outlet first, and no answer came in time", cred),
	}
}

// signInError says why no session came about. The status is the one that was
// seen on the wire, because the library does not always hand it on.
func signInError(step string, cred Credential, err error, seen sighting) *events.LookError {
	doing := "opening the SMB connection"
	status, known := statusOf(err)
	if step == StepSignIn {
		doing = "signing in " + cred.String()
		if s := ntStatus(seen.signIn); s.isError() && !isTimeout(err) {
			status, known = s, true
		}
	}
	if !known {
		e := otherError(step, doing, err)
		if step == StepNegotiate && hungUp(err) {
			e.Detail += ": it may be full, or speak no SMB 2"
		}
		return e
	}
	e := &events.LookError{Code: events.CauseProtocolError, Step: step, NTStatus: status.String()}
	why, refused := refusals(status)
	switch {
	case step == StepSignIn && refused:
		e.Code, e.Detail = events.CauseAuthFailed, fmt.Sprintf("the server refused to sign in %s: %s", cred, why)
	case step == StepSignIn && status == statusAccessDenied:
		e.Code, e.Detail = events.CauseAccessDenied, fmt.Sprintf("the server denied access while %s", doing)
	case step == StepNegotiate && status == statusNotSupported:
		e.Detail = "the server speaks no SMB dialect that we speak"
	default:
		e.Detail = fmt.Sprintf("%s while %s", meaning(status), doing)
	}
	return e
}

// driveError says what kept the look from one drive. The account was good: that
// much is said first.
func driveError(step string, d events.Drive, cred Credential, err error) *events.LookError {
	e := signedInError(step, d, cred, err)
	e.Detail = "signed in, but " + e.Detail
	return e
}

func signedInError(step string, d events.Drive, cred Credential, err error) *events.LookError {
	doing := map[string]string{
		StepShare:  "connecting to the share " + d.Share,
		StepFolder: "opening " + where(d),
		StepList:   "listing " + where(d),
	}[step]
	if errors.Is(err, errNotAFolder) {
		return &events.LookError{Code: events.CauseFolderMissing, Step: step, Detail: where(d) + " is a file, not a folder"}
	}
	status, known := statusOf(err)
	if !known {
		return otherError(step, doing, err)
	}
	e := &events.LookError{Code: driveCause(step, status), Step: step, NTStatus: status.String()}
	switch {
	case e.Code == events.CauseShareMissing:
		e.Detail = "there is no share " + d.Share
	case e.Code == events.CauseFolderMissing:
		e.Detail = fmt.Sprintf("%s has no %s folder", root(d), folderPath(d.Folder))
	case status == statusAccessDenied || status == statusNetworkAccessDenied:
		e.Detail = fmt.Sprintf("the server denied %s access while %s", cred, doing)
	default:
		e.Detail = fmt.Sprintf("%s while %s", meaning(status), doing)
	}
	return e
}

// driveCause is what a status means after the sign-in.
func driveCause(step string, s ntStatus) events.Cause {
	switch s {
	case statusAccessDenied, statusNetworkAccessDenied, statusLockedVolume:
		return events.CauseAccessDenied
	case statusBadNetworkName:
		return events.CauseShareMissing
	case statusNotFound:
		if step == StepShare {
			return events.CauseShareMissing
		}
		return events.CauseFolderMissing
	case statusNotADirectory:
		return events.CauseFolderMissing
	case statusNoMediaInDevice, statusNoSuchDevice, statusDeviceDoesNotExist, statusNoMedia:
		return events.CauseDriveMissing
	case statusIOTimeout:
		return events.CauseTimeout
	}
	return events.CauseProtocolError
}

// otherError is an error that is no answer of the server's.
func otherError(step, doing string, err error) *events.LookError {
	err = bare(err)
	e := &events.LookError{Code: events.CauseProtocolError, Step: step}
	if isTimeout(err) || errors.Is(err, context.Canceled) {
		e.Code = events.CauseTimeout
	}
	e.Detail = what(err) + " while " + doing
	return e
}

// what says what happened, as the beginning of a sentence.
func what(err error) string {
	var misbehaved misbehaviour
	_, panicked := errors.AsType[panicError](err)
	invalid, malformed := errors.AsType[*smb2.InvalidResponseError](err)
	switch {
	case err == nil:
		return "nothing came back"
	case isTimeout(err):
		return "the server did not answer in time"
	case errors.Is(err, context.Canceled):
		return "the look was broken off"
	case isReset(err):
		return "the server reset the connection"
	case hungUp(err):
		return "the server closed the connection"
	case errors.As(err, &misbehaved):
		return misbehaved.Error()
	case panicked:
		return "the server sent what cannot be understood"
	case malformed && strings.Contains(invalid.Message, "signature"):
		return "the server's answer bears a wrong signature, as if somebody had changed it on its way,"
	case malformed:
		return fmt.Sprintf("the server's answer is malformed (%s)", invalid.Message)
	}
	return fmt.Sprintf("something went wrong (%v)", err)
}

// bare takes off what hides the cause of an error from errors.Is.
func bare(err error) error {
	if transport, ok := errors.AsType[*smb2.TransportError](err); ok {
		return transport.Err
	}
	return err
}

// hungUp tells whether the server ended the connection.
func hungUp(err error) bool {
	err = bare(err)
	return isReset(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func isTimeout(err error) bool {
	err = bare(err)
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &n) && n.Timeout()
}

// where names a folder as people write it: D:\BackupFull.
func where(d events.Drive) string {
	return strings.TrimSuffix(root(d)+`\`+folderPath(d.Folder), `\`)
}

// root names a drive as people do: D:, or its share where it has no letter.
func root(d events.Drive) string {
	if d.Letter != "" {
		return d.Letter + ":"
	}
	return d.Share
}
