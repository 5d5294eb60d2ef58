package guest

import (
	"errors"
	"net/http"

	"github.com/weirproxy/weir/edge/exchange"
)

var errUnanswered = &exchange.Error{
	Fault: exchange.Client, Status: http.StatusNotFound,
	Err: errors.New("the module let the request pass, and nothing is behind it; write a filter under filters, not as a module"),
}

// Unanswered is what is behind a module that is to answer: nothing. To clients that is
// 404, as what a site does not have.
func Unanswered(*exchange.Request) (*exchange.Response, error) { return nil, errUnanswered }
