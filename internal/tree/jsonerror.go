package tree

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// PlainJSON says an error of reading JSON without the names of Go's types. Others
// stay as they are.
func PlainJSON(err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("%s at %s does not belong there", article(kind.Value), kind.Field)
	case errors.As(err, &kind):
		return fmt.Errorf("%s does not belong there", article(kind.Value))
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON at byte %d", syntax.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return errors.New("it ends too early")
	}
	return err
}

// article puts one before a kind of value, such as an array or number 5.
func article(kind string) string {
	if kind != "" && (kind[0] == 'a' || kind[0] == 'o') {
		return "an " + kind
	}
	return "a " + kind
}
