"""A server of S3 for tests (moto) that has one user, checks signatures, and keeps its objects in memory."""

from __future__ import annotations

import importlib.util
import sys
import urllib.request

from remote_process import MissingServerError, RemoteServer, free_port, listens

REGION = "us-east-1"
EVERYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'


class S3(RemoteServer):
    """Objects lie in `bucket`; `open_bucket` may be read by anybody only where check=False, which takes unsigned
    requests too. What a client needs is in `environment`."""

    def __init__(self, bucket="data", check=True):
        for module in ("moto", "boto3", "flask", "flask_cors"):
            if importlib.util.find_spec(module) is None:
                raise MissingServerError(f"Python's {module} is not installed (tools/setup.sh check installs it)")
        super().__init__()
        self.bucket, self.check = bucket, check

    def configure(self):
        self.port = free_port()

    def commands(self):
        words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", self.port]
        return [(words, {"AWS_ACCESS_KEY_ID": "first", "AWS_SECRET_ACCESS_KEY": "first"})]

    def is_ready(self):
        return listens(self.port)

    def run(self):
        """Starts with an empty bucket: what was there before a kill is lost."""
        import boto3

        super().run()
        first = {
            **{"endpoint_url": self.endpoint, "region_name": REGION},
            **{"aws_access_key_id": "first", "aws_secret_access_key": "first"},
        }
        self.client = boto3.client("s3", **first)
        self.client.create_bucket(Bucket=self.bucket)
        if not self.check:
            self.key, self.secret = "anybody", "any-secret"
            return
        iam = boto3.client("iam", **first)
        iam.create_user(UserName="tester")
        iam.put_user_policy(UserName="tester", PolicyName="all", PolicyDocument=EVERYTHING)
        made = iam.create_access_key(UserName="tester")["AccessKey"]
        self.key, self.secret = made["AccessKeyId"], made["SecretAccessKey"]
        url, plain = self.endpoint + "/moto-api/reset-auth", {"Content-Type": "text/plain"}
        request = urllib.request.Request(url, data=b"0", headers=plain, method="POST")  # from now on all is checked
        urllib.request.urlopen(request, timeout=120).close()
        self.client = boto3.client(
            "s3", **{**first, "aws_access_key_id": self.key, "aws_secret_access_key": self.secret}
        )

    def add(self, path, name=None):
        with open(path, "rb") as file:
            return self.put(name or str(path).rsplit("/", 1)[-1], file.read())

    def put(self, name, content):
        self.client.put_object(Bucket=self.bucket, Key=name, Body=content)
        return name

    @property
    def endpoint(self):
        return f"http://localhost:{self.port}"

    @property
    def environment(self):
        return {
            **{"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_REGION": REGION},
            **{"AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": self.endpoint, "AWS_EC2_METADATA_DISABLED": "true"},
        }

    def s3(self, name=""):
        return f"s3://{self.bucket}/{name}"
