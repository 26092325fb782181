package api

func (a *API) documentRoutes()           {}
func (a *API) finishDocument()           {}
func (a *API) documentStream(tag string) {}
