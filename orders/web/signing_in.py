"""The door: a password, or a link that works once."""

from __future__ import annotations

from django.contrib.auth import get_user_model, login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from orders import timing
from orders.models import SignInLink

BACKEND = "django.contrib.auth.backends.ModelBackend"


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "That name and password don't go together.",
        "inactive": "This person may not sign in any more.",
    }


sign_in = LoginView.as_view(
    template_name="registration/sign_in.html",
    authentication_form=SignInForm,
    redirect_authenticated_user=True,
    next_page=reverse_lazy("desk"),
)
sign_out = LogoutView.as_view(next_page=reverse_lazy("sign-in"))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def once(request: HttpRequest, token: str) -> HttpResponse:
    """Sign in with a link. Looking does not use it up: programs preview links, people press."""
    now = timing.database_now()
    if request.method != "POST":
        guest = SignInLink.bearer(token, now=now)
        return render(
            request,
            "registration/once.html",
            {"guest": guest, "token": token},
            status=200 if guest else 410,
        )
    user_id = SignInLink.redeem(token, now=now)
    user = user_id and get_user_model().objects.filter(id=user_id, is_active=True).first()
    if not user:
        return render(request, "registration/once.html", {"guest": None}, status=410)
    login(request, user, backend=BACKEND)
    return redirect("desk")
