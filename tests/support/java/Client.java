// What the client programs share: a connection made from --uri, --user and --password.

import java.util.List;
import javax.jms.JMSException;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;

final class Client {
    static ActiveMQConnection connect(Flags flags) throws JMSException {
        ActiveMQConnectionFactory factory = new ActiveMQConnectionFactory(flags.required("uri"));
        factory.setUserName(flags.text("user", null));
        factory.setPassword(flags.text("password", null));
        // The messages come from our own tests.
        factory.setTrustedPackages(List.of("java.lang", "java.util"));
        factory.setTrustAllPackages(true);
        return (ActiveMQConnection) factory.createConnection();
    }

    private Client() {}
}
